import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { inject } from "vitest";
import type { CheckResult, VerifyReport } from "../../src/db/verify/index.ts";
import type { CliResult } from "./cli.ts";
import { createKitProject, type KitProject } from "./kit-project.ts";

export const USERS = `
export const users = pgTable("users", { id: serial().primaryKey(), name: text(), age: integer() },
  (table) => [index("users_name_idx").on(table.name)]);
`;

/** What Drizzle cannot say. */
export const BY_HAND = `create function touch() returns trigger language plpgsql as $$ begin return new; end $$;
create trigger users_touch before update on users for each row execute function touch();
comment on table users is 'Who buys';
create table notes (id integer primary key, body text);
`;

export interface VerifyProject extends KitProject {
  /** Types `tidemark verify --json` there. */
  readonly verify: (...args: readonly string[]) => Promise<Verified>;
  /** Types a command there, on the test server's scratch databases. */
  readonly type: (...args: readonly string[]) => Promise<CliResult>;
  readonly git: (...args: readonly string[]) => Promise<void>;
}

export interface Verified {
  readonly code: number | null;
  readonly report: VerifyReport;
  /** Names of the checks that did not pass, and how: `sum failed`. */
  readonly notPassed: readonly string[];
  /** What a check found: `error drizzle/0000_x.sql:3 …`. */
  readonly found: (name: CheckResult["name"]) => readonly string[];
}

/** A project with three migrations, one of them written by hand, each with its down file. */
export async function createVerifyProject(): Promise<VerifyProject> {
  const project = await createKitProject();
  const scratch = ["--scratch-url", inject("serverUrl")];
  const type = (...args: readonly string[]) => project.run([...args, ...scratch]);
  await project.schema(USERS);
  await expectDone(project.run(["generate", "create_users"]));
  await expectDone(project.run(["generate", "by_hand", "--custom"]));
  await project.write("drizzle/0001_by_hand.sql", BY_HAND);
  await project.schema(USERS.replace("age: integer()", "age: integer(), email: text().unique()"));
  await expectDone(project.run(["sum"]));
  await expectDone(project.run(["generate", "add_email"]));
  await expectDone(type("down-file", "--missing"));
  return extended(project);
}

/** The same project again, in a folder of its own: nothing is generated or proven a second time. */
export async function copyOf(original: VerifyProject): Promise<VerifyProject> {
  const copy = await createKitProject();
  await copy.write("schema.ts", await original.readAt("schema.ts"));
  await copy.continueFrom(original);
  return extended(copy);
}

function extended(project: KitProject): VerifyProject {
  const scratch = ["--scratch-url", inject("serverUrl")];
  const type = (...args: readonly string[]) => project.run([...args, ...scratch]);
  return {
    ...project,
    type,
    verify: async (...args) => verified(await type("verify", "--json", ...args)),
    git: async (...args) => {
      const who = ["-c", "user.name=test", "-c", "user.email=test@example.com"];
      await promisify(execFile)("git", [...who, ...args], { cwd: project.root });
    },
  };
}

function verified({ code, stdout, stderr }: CliResult): Verified {
  if (stdout === "") throw new Error(`verify printed nothing: ${stderr}`);
  const report = JSON.parse(stdout) as VerifyReport;
  return {
    code,
    report,
    notPassed: report.checks.flatMap(({ name, status }) =>
      status === "passed" || status === "skipped" ? [] : [`${name} ${status}`],
    ),
    found: (name) =>
      (report.checks.find((check) => check.name === name)?.findings ?? []).map(
        ({ level, file, line, fact }) =>
          `${level} ${file ?? "-"}${line === undefined ? "" : `:${line}`} ${fact}`,
      ),
  };
}

async function expectDone(run: Promise<CliResult>): Promise<void> {
  const { code, stderr } = await run;
  if (code !== 0)
    throw new Error(`it ended with ${code}: ${stderr.split("\n").slice(0, 2).join(" ")}`);
}
