import { join } from "node:path";
import { loadDotEnv } from "../config.ts";
import type { InitOptions, InitReport } from "../db/init/index.ts";
import { MigrateError } from "../db/migrate/index.ts";
import { reporting } from "./support/command.ts";
import {
  type FoundSetup,
  isUnnamed,
  type InitFlags as SetupFlags,
  setupOf,
} from "./support/init-setup.ts";
import type { Output } from "./support/output.ts";
import { readProject } from "./support/project-config.ts";
import type { CommonFlags } from "./support/settings.ts";

type InitFlags = CommonFlags & Omit<SetupFlags, "ledgerSchema"> & { readonly print?: boolean };

/** `tidemark init`: makes the database, its roles, their rights and the ledger, or prints the SQL for it. */
export function runInit(flags: InitFlags): Promise<number> {
  return reporting(flags, async (output) => {
    loadDotEnv();
    const { settings } = await readProject(flags, "folder");
    const ledgerSchema = flags.ledgerSchema ?? settings.ledgerSchema ?? "tidemark";
    const { initDatabase, initScript } = await import("../db/init/index.ts");
    const isOwn = flags.embedded && !flags.print && isUnnamed(flags, process.env);
    if (isOwn && process.env.NODE_ENV !== "production") {
      return withOwnServer(output, ledgerSchema, async (options) =>
        report(await initDatabase(options), output),
      );
    }
    const found = setupOf({ ...flags, ledgerSchema }, process.env);
    if (flags.print) {
      const sql = initScript(found.setup);
      output.json({ sql });
      output.print(sql);
      return 0;
    }
    const { setup, ...urls } = { ...found, adminUrl: adminUrlOf(found) };
    return report(await initDatabase({ ...setup, ...urls }), output);
  });
}

function report(report: InitReport, output: Output): number {
  output.json({ ...report, deployer: report.deployer ?? null });
  output.print(textOf(report, output));
  for (const note of report.notes) output.error(`note: ${note}`);
  return 0;
}

/** On this folder's own development server, which is started or joined. */
async function withOwnServer(
  output: Output,
  ledgerSchema: string,
  work: (options: InitOptions) => Promise<number>,
): Promise<number> {
  const { acquireEmbeddedServer } = await import("../db/embedded/index.ts");
  const { ownServerSetup } = await import("../db/init/index.ts");
  const server = await acquireEmbeddedServer({
    dir: join(process.cwd(), ".tidemark"),
    onProgress: (line) => output.note(output.errorColors.dim(line)),
  });
  try {
    return await work(ownServerSetup(server.url, ledgerSchema));
  } finally {
    await server.release();
  }
}

function adminUrlOf({ adminUrl }: FoundSetup): string {
  if (adminUrl !== undefined) return adminUrl;
  throw new MigrateError({
    code: "config",
    fact: "Nothing names who may make roles and databases (--admin-url, ADMIN_DATABASE_URL).",
    outcome: "nothing-run",
    remedy:
      "Give the URL of a superuser, or of a role with CREATEROLE and CREATEDB; or `tidemark init --print` for somebody who has one.",
  });
}

function textOf({ outcome, steps, database, owner, app }: InitReport, { colors }: Output): string {
  const paint = { made: colors.green, there: colors.dim, refused: colors.yellow };
  const lines = steps.map((step) => `${paint[step.outcome](step.outcome.padEnd(7))}  ${step.what}`);
  const end =
    outcome === "made"
      ? `${database} is ready: ${owner} migrates, ${app} serves. Next: tidemark migrate`
      : `${database} was ready: nothing was lacking.`;
  return [...lines, end].join("\n");
}
