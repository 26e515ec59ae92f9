import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { PROJECT, script } from "./dev-server.ts";
import { GONE, LINES, PACKAGES, REPLACED } from "./users/parts.ts";
import { withoutEntries, withoutImportsOf, withoutMarked } from "./users/text.ts";

const run = (program: string, ...args: readonly string[]) => {
  console.error(`$ ${[program, ...args].join(" ")}`);
  execFileSync(program, args, {
    cwd: PROJECT,
    stdio: "inherit",
    shell: process.platform === "win32",
  });
};
const git = (...args: readonly string[]) =>
  execFileSync("git", args, { cwd: PROJECT, encoding: "utf8", maxBuffer: 64 << 20 });

await script(async () => {
  const changes = git("status", "--porcelain");
  if (changes !== "") {
    console.error(
      `There are changes that are not committed:\n${changes}Nothing was removed. Commit or stash them, so that git can take this back.`,
    );
    return 2;
  }
  const files = git("ls-files").split("\n");
  for (const path of GONE) rmSync(join(PROJECT, path), { recursive: true, force: true });
  const gone = new Set(files.filter((file) => !existsSync(join(PROJECT, file))));
  for (const file of files) {
    if (gone.has(file) || !/\.(?:ts|md)$/.test(file)) continue;
    edit(file, (text) => withoutUsers(gone, file, text));
  }
  for (const { file, from, to } of REPLACED) {
    edit(file, (text) => {
      if (!text.includes(from))
        throw new Error(`${file} has no ${JSON.stringify(from)}: take it out by hand`);
      return text.replace(from, to);
    });
  }
  for (const { file, has } of LINES) {
    edit(file, (text) =>
      text
        .split("\n")
        .filter((line) => !line.includes(has))
        .join("\n"),
    );
  }
  edit(".dependency-cruiser.json", (text) => withoutEntries(text, /users-are-above/));
  edit("scripts/teeth/protections.ts", (text) =>
    withoutEntries(text, /"(?:users\/|app\/api\.test)/),
  );
  // Unused until the first aggregate is there.
  edit("src/app/aggregates.ts", (text) =>
    text.includes("(options)")
      ? text
      : text.replaceAll("  return {", "  void options;\n  return {"),
  );
  run("npm", "uninstall", "--no-audit", "--no-fund", ...PACKAGES);
  run("npx", "biome", "lint", "--write", "--unsafe", "--only=correctness/noUnusedImports", ".");
  run("npm", "run", "fix");
  run("npm", "run", "db:generate", "--", "drop_users");
  console.error("The users are out. Next: npm run check && npm test, then look at `git diff`.");
  return 0;
});

function withoutUsers(gone: ReadonlySet<string>, file: string, text: string): string {
  const rest = withoutMarked(text);
  return file.endsWith(".ts") ? withoutImportsOf(gone, file, rest) : rest;
}

function edit(file: string, change: (text: string) => string): void {
  const path = join(PROJECT, file);
  const text = readFileSync(path, "utf8");
  const changed = change(text);
  if (changed !== text) writeFileSync(path, changed);
}
