import { writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { exists } from "../base/files.ts";
import { locateKit } from "../kit/locate.ts";
import {
  checkFolderSum,
  type History,
  loadHistory,
  MigrateError,
  type Migration,
  schemaFileOf,
  stepFileOf,
  type Tag,
  writeSumFile,
} from "../migrate/index.ts";
import { type ScratchOptions, withScratchServer } from "../scratch/index.ts";
import { withReplay } from "../scratch/replay.ts";
import { pullSchema } from "./pull.ts";

export { buildSteps } from "./compile.ts";

export interface NewStepOptions {
  /** The project, whose drizzle-kit is used. */
  readonly cwd: string;
  /** Migrations folder. */
  readonly dir: string;
  /** The migration, by its tag, or by the name in it. */
  readonly tag: Tag;
  readonly ledgerSchema: string;
  readonly scratch: ScratchOptions;
  readonly signal?: AbortSignal | undefined;
}

export interface NewStep {
  readonly tag: Tag;
  /** The step, from a template. Null where there is one already: only the schema was written again. */
  readonly file: string | null;
  /** The schema as it is once the migration's SQL has run. */
  readonly schema: string;
}

/**
 * Writes the step of a migration from a template, and beside it the schema that the step sees: read from a scratch
 * database on which the migrations up to this one have run, by the project's drizzle-kit.
 *
 * @throws MigrateError `usage` (no such migration), `config` (drizzle-kit), what a run throws; EmbeddedServerError
 */
export async function writeNewStep(options: NewStepOptions): Promise<NewStep> {
  const { cwd, dir, ledgerSchema, scratch, signal } = options;
  const kit = await locateKit(cwd);
  const history = await loadHistory(dir, { sumFile: "ignore" });
  const migration = chosen(history, options.tag);
  const { tag, index } = migration;
  // The sum file that is written at the end must not vouch for what was edited by mistake.
  const hasSum = await checkFolderSum(history, new Set([tag]));
  const text = await withScratchServer(scratch, (server) =>
    withReplay(
      { server, ...withoutOwnStep(history, index), ledgerSchema, signal },
      async (replay) => {
        await replay.advance(index + 1);
        return pullSchema({ kit, cwd, url: replay.database().url, ledgerSchema, signal });
      },
    ),
  );
  const schema = join(dir, schemaFileOf(tag, history.layout));
  await writeFile(schema, `${headOf(tag)}${text}`);
  const file = join(dir, stepFileOf(tag, history.layout));
  const isThere = migration.code !== undefined || (await exists(file));
  if (!isThere) await writeFile(file, template(basename(schema)));
  if (hasSum) await writeSumFile(dir);
  return { tag, file: isThere ? null : file, schema };
}

/** The step itself may be the draft that needs the schema. */
function withoutOwnStep({ migrations, before }: History, index: number) {
  const upTo = migrations.slice(0, index + 1).map(({ code, ...migration }) => ({
    ...migration,
    ...(code !== undefined && migration.index !== index && { code }),
  }));
  return { migrations: upTo, before };
}

function chosen({ migrations, dir }: History, wanted: Tag): Migration {
  const named = migrations.filter(({ tag }) => tag === wanted);
  const found =
    named.length > 0 ? named : migrations.filter(({ tag }) => tag.endsWith(`_${wanted}`));
  const [one] = found;
  if (one !== undefined && found.length === 1) return one;
  throw new MigrateError({
    code: "usage",
    fact:
      one === undefined
        ? `There is no migration ${wanted} in ${dir}.`
        : `${wanted} is the name of more than one migration: ${found.map(({ tag }) => tag).join(", ")}.`,
    outcome: "nothing-written",
    remedy:
      one === undefined
        ? `The newest is ${migrations.at(-1)?.tag ?? "none"}. A new one for it: \`tidemark generate ${wanted} --custom\`.`
        : "Name it by its tag.",
  });
}

function headOf(tag: Tag): string {
  return (
    `// The schema as ${tag} leaves it, for its code step. Written by \`tidemark step ${tag}\`: it stays as it is\n` +
    "// when the schema moves on.\n"
  );
}

function template(schema: string): string {
  return `import { defineStep } from "tidemark/steps";
import * as schema from "./${schema}";

void schema;

export default defineStep({
  // In the transaction that also records that it ran: it happens once, or not at all.
  run: async ({ db, sql, log }) => {
    void db;
    void sql;
    log("nothing to do yet");
  },
});
`;
}
