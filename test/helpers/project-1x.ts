import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, inject, onTestFinished } from "vitest";
import type { VerifyReport } from "../../src/db/verify/index.ts";
import type { CliResult } from "./cli.ts";
import { createKitProject, type KitProject } from "./kit-project.ts";
import { screen } from "./screen.ts";

/** The schema that the first migration makes. */
export const USERS_1X = `export const mood = pgEnum("mood", ["sad", "ok", "happy"]);
export const users = pgTable("users", { id: serial().primaryKey(), name: text(), mood: mood() });\n`;
/** The schema that all migrations make. */
export const RENAMED_1X = USERS_1X.replace("name:", "full_name:");

const BY_HAND = "create function touch() returns int language sql as 'select 1';\n";

/** A project with drizzle-kit 1.x, that generates down files too. */
export interface Project1x extends KitProject {
  /** Types a command there, on the test server's scratch databases. */
  readonly type: (...args: readonly string[]) => Promise<CliResult>;
  /** The same, where it must succeed. */
  readonly done: (...args: readonly string[]) => Promise<void>;
  /** All that it prints, with `<time>` for the times in the names of migrations. */
  readonly shown: (...args: readonly string[]) => Promise<string>;
  /** What `verify` finds, besides locks: `schema failed error: The Drizzle schema …`. */
  readonly problems: () => Promise<readonly string[]>;
  /** Runs drizzle-kit itself. */
  readonly kit: (...args: readonly string[]) => Promise<unknown>;
  /** Puts the migrations of another branch beside these, as git does. */
  readonly merge: (other: KitProject) => Promise<void>;
}

/** A project whose schema is there, and nothing generated. */
export async function createProject1x(schema: string): Promise<Project1x> {
  const project = await createKitProject(schema, undefined, { kit: "1.x", withDown: true });
  const type = (...args: readonly string[]) => {
    const scratch = args[0] === "sum" ? [] : ["--scratch-url", inject("serverUrl")];
    return project.run([...args, ...scratch]);
  };
  const done = async (...args: readonly string[]) => {
    const { code, stderr } = await type(...args);
    expect(stderr).not.toMatch(/^error/m);
    expect(code).toBe(0);
  };
  return {
    ...project,
    type,
    done,
    shown: async (...args) => {
      const shown = timeless(screen(await type(...args), { project: project.root }));
      // Said only of what takes longer than a second.
      return shown.replaceAll(/^\d+ of \d+: .*\n/gm, "");
    },
    problems: async () => {
      const { stdout } = await type("verify", "--json");
      const { checks } = JSON.parse(stdout) as VerifyReport;
      return checks.flatMap(({ name, status, findings }) =>
        findings
          .filter(({ fact }) => !fact.includes("takes a lock"))
          .map(({ level, fact }) => timeless(`${name} ${status} ${level}: ${fact}`)),
      );
    },
    kit: (...args) => {
      const bin = join(project.root, "node_modules/drizzle-kit/bin.cjs");
      return promisify(execFile)(process.execPath, [bin, ...args], { cwd: project.root });
    },
    merge: async (other) => {
      for (const [file, text] of Object.entries(await other.files())) {
        if (file !== "tidemark.sum") await project.write(`drizzle/${file}`, text);
      }
      await done("sum");
    },
  };
}

/** A text with `<time>` for the times in the names of migrations. */
export function timeless(text: string): string {
  return text.replace(/\d{14}_/g, "<time>_").replace(/sha256:[0-9a-f]{64}/g, "<sum>");
}

/** A project with three migrations, the last written by hand, each with its down file. */
export async function createMigrated1x(): Promise<Project1x> {
  const made = await createProject1x(USERS_1X);
  await made.done("generate", "create_users", "--no-down");
  await made.schema(RENAMED_1X);
  await made.done("generate", "rename", "--rename", "users.name=full_name");
  await made.done("generate", "by_hand", "--custom");
  const file = Object.keys(await made.files()).find((path) =>
    path.endsWith("_by_hand/migration.sql"),
  );
  await made.write(`drizzle/${file}`, BY_HAND);
  await made.done("down-file", "--missing");
  return made;
}

/** A project with the migrations of another one. */
export async function branchOf(made: Project1x, schema: string): Promise<Project1x> {
  const here = await createProject1x(schema);
  onTestFinished(here.remove);
  await here.continueFrom(made);
  return here;
}
