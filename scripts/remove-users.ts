import { execFileSync } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { PROJECT, script } from "./dev-server.ts";
import { GONE, LINES, PACKAGES, REPLACED } from "./users/parts.ts";
import { withoutEntries, withoutMarked, withoutMissing } from "./users/text.ts";

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
  const stays = git("ls-files")
    .split("\n")
    .filter((file) => /\.(?:ts|md)$/.test(file));
  for (const path of GONE) rmSync(join(PROJECT, path), { recursive: true, force: true });
  for (const file of stays) edit(file, (text) => withoutUsers(file, text), { mayBeGone: true });
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

function withoutUsers(file: string, text: string): string {
  const rest = withoutMarked(text);
  return file.endsWith(".ts") ? withoutMissing(join(PROJECT, file), rest) : rest;
}

function edit(
  file: string,
  change: (text: string) => string,
  { mayBeGone = false }: { readonly mayBeGone?: boolean } = {},
): void {
  const path = join(PROJECT, file);
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if (mayBeGone && error instanceof Error && "code" in error && error.code === "ENOENT") return;
    throw error;
  }
  const changed = change(text);
  if (changed !== text) writeFileSync(path, changed);
}
