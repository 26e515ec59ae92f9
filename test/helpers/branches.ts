import { execFile } from "node:child_process";
import { cp } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { inject, onTestFinished } from "vitest";
import type { CliResult } from "./cli.ts";
import { createKitProject, type KitProject, schemaModule } from "./kit-project.ts";

/** A project in a repository, whose branches each generate migrations. */
export interface BranchProject extends KitProject {
  readonly git: (...args: readonly string[]) => Promise<string>;
  /** Runs git where it may end with a conflict. */
  readonly clash: (...args: readonly string[]) => Promise<void>;
  readonly commit: (message: string) => Promise<void>;
  /** Writes a file of the schema: `users`, `orgs`. */
  readonly table: (file: string, body: string) => Promise<void>;
  /** Types a command, on the test server's scratch databases; its output where it ends with 0. */
  readonly done: (...args: readonly string[]) => Promise<string>;
  readonly type: (...args: readonly string[]) => Promise<CliResult>;
  /** Tags of the journal, with their numbers. */
  readonly journal: () => Promise<readonly { idx: number; tag: string; when: number }[]>;
}

const CONFIG = { dialect: "postgresql", schema: "./schema/*.ts" };

/** The table, its columns each at its place (`top age: integer(),`), far apart, so that git merges what two branches add. */
export function users(...columns: readonly string[]): string {
  const places = ["top", "middle", "end"].map((place) => {
    const own = columns.filter((column) => column.startsWith(`${place} `));
    return [
      `  // ${place}`,
      "",
      "",
      ...own.map((column) => `  ${column.slice(place.length + 1)}`),
      "",
      "",
    ];
  });
  return `
export const users = pgTable("users", {
  id: serial().primaryKey(),
${places.flat().join("\n")}
});
`;
}

export const orgs = `export const orgs = pgTable("orgs", { id: serial().primaryKey(), name: text() });\n`;

/** On the branch `main`, with one migration: `users`. */
export async function createBranchProject(kit: "0.31" | "1.x"): Promise<BranchProject> {
  const project = extended(await createKitProject(undefined, CONFIG, { withDown: true, kit }));
  await project.write(".gitignore", "node_modules\n.tidemark\n");
  await project.table("users", users("middle name: text(),"));
  await project.done("generate", "users");
  await project.git("init", "--quiet", "--initial-branch=main");
  await project.commit("fork");
  return project;
}

/** The same repository again, in a folder of its own; removed with the test. */
export async function cloneOf(
  original: BranchProject,
  kit: "0.31" | "1.x" = "0.31",
): Promise<BranchProject> {
  const copy = await createKitProject(undefined, CONFIG, { withDown: true, kit });
  onTestFinished(copy.remove);
  for (const name of [".git", ".gitignore", "schema", "drizzle", "drizzle.config.ts"]) {
    await cp(join(original.root, name), join(copy.root, name), { recursive: true });
  }
  return extended(copy);
}

function extended(project: KitProject): BranchProject {
  const scratch = ["--scratch-url", inject("serverUrl")];
  const git = async (...args: readonly string[]) => {
    const who = ["-c", "user.name=test", "-c", "user.email=test@example.com"];
    const options = { cwd: project.root, env: { ...process.env, GIT_EDITOR: "true" } };
    return (await promisify(execFile)("git", [...who, ...args], options)).stdout;
  };
  const type = (...args: readonly string[]) => project.run([...args, ...scratch]);
  return {
    ...project,
    git,
    clash: (...args) =>
      git(...args).then(
        () => undefined,
        () => undefined,
      ),
    commit: async (message) => {
      await git("add", "--all", ".");
      await git("commit", "--quiet", `--message=${message}`);
    },
    table: (file, body) => project.write(`schema/${file}.ts`, schemaModule(body)),
    type,
    done: async (...args) => {
      const { code, stdout, stderr } = await type(...args);
      if (code !== 0)
        throw new Error(`tidemark ${args.join(" ")} ended with ${code}:\n${stderr}${stdout}`);
      return stdout;
    },
    journal: async () => {
      const { entries } = JSON.parse(await project.read("meta/_journal.json")) as {
        entries: { idx: number; tag: string; when: number }[];
      };
      return entries.map(({ idx, tag, when }) => ({ idx, tag, when }));
    },
  };
}
