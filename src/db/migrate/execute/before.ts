import { identifier, literal } from "../../base/quote.ts";
import { rollBack } from "../../connection/ask.ts";
import { ASK_WHO_RAISES, isRaised, serverWords } from "../../connection/server-words.ts";
import { isServerError, type ServerError } from "../../connection/session.ts";
import { MigrateError } from "../errors.ts";
import { checksumOf } from "../history/checksum.ts";
import { LeaseLost } from "../lease/lost.ts";
import { firstStep } from "../lease/sql.ts";
import { isContended, isLockConflict } from "../ledger/server-error.ts";
import type { HeldRun } from "../run-types.ts";
import { stepParser } from "../sql/parse.ts";
import type { ParsedStep } from "../sql/segments.ts";
import type { BeforeFile } from "../types.ts";
import { culpritOf, recordError } from "./failure-text.ts";
import { fencedMessage, MARKER, type Message, stageOf } from "./transaction.ts";

/**
 * Parses what runs before the migrations: one transaction, again at each run that has something to do.
 *
 * @throws MigrateError `history_invalid`, `unsupported_statement`
 */
export async function parseBefore(before: BeforeFile | undefined): Promise<ParsedStep | undefined> {
  if (before === undefined) return undefined;
  const checksum = checksumOf(before.sql);
  const migration = { ...before, tag: "before", index: 0, checksum, link: checksum };
  const unstarted = { attempt: 1, resumeAt: 0, prefix: null, underWay: null };
  const [step] = await stepParser()([{ migration, ...unstarted, rank: 0, headAfter: checksum }]);
  const outside = step?.segments.find(({ kind }) => kind === "outside");
  if (step !== undefined && outside === undefined && step.segments.length === 1) return step;
  throw new MigrateError({
    code: "unsupported_statement",
    fact:
      `${before.file} runs in one transaction, and ` +
      (outside?.kind === "outside"
        ? `its statement ${outside.placed.index + 1} (${outside.outside.label}) cannot.`
        : "it begins or commits one of its own, or adds an enum value that it may use."),
    outcome: "nothing-run",
    remedy: "Move that into a migration.",
  });
}

/**
 * Makes, under the lease, what must be there before the migrations: the schema of drizzle's table where the
 * settings name one, as drizzle's migrator does, and what `before.sql` makes. Both do nothing where it is there.
 *
 * @throws MigrateError `migration_failed`, `lock_timeout`; LeaseLost
 */
export async function runBefore(run: HeldRun, before: ParsedStep | undefined): Promise<void> {
  const { schema } = run.drizzleTable;
  const isSet = schema !== DEFAULT_SCHEMA;
  if (before === undefined && !isSet) return;
  const [segment] = before?.segments ?? [];
  const statements = segment?.kind === "transaction" ? segment.statements : [];
  const message = fencedMessage(run, {
    proof: { activity: "before.sql" },
    settings: isSet ? [createSchema(schema)] : [],
    statements,
    end: [firstStep(run)],
  });
  let marker: number | undefined;
  const onRow = (row: Readonly<Record<string, unknown>>) => {
    if (MARKER in row) marker = Number(row[MARKER]);
  };
  try {
    const { reply } = await run.session.send("before", message.text, { onRow });
    await reply;
  } catch (error) {
    if (!isServerError(error)) throw error;
    await rollBack(run.session);
    if (marker === undefined && isContended(error)) {
      throw new LeaseLost(error.message, { cause: error });
    }
    throw before === undefined
      ? noSchema(schema, error)
      : failureOf(run, before, message, marker, error);
  }
}

/** Of drizzle's table: drizzle makes that one too, for its table alone. */
const DEFAULT_SCHEMA = "drizzle";

// The role may lack the right to create a schema that is there.
function createSchema(schema: string): string {
  return `do ${literal(`begin
  if not exists (select from pg_catalog.pg_namespace where nspname = ${literal(schema)}) then
    create schema ${identifier(schema)};
  end if;
end`)}`;
}

function failureOf(
  run: HeldRun,
  before: ParsedStep,
  message: Message,
  marker: number | undefined,
  error: ServerError,
): MigrateError {
  const stage = stageOf(message, marker);
  const at = { culprit: culpritOf(message, stage, error), stage, rowValues: run.rowValues };
  const { failure, recorded } = recordError(before, error, at, {
    applied: 0,
    notRun: 0,
    committed: 0,
  });
  return new MigrateError({
    code: isLockConflict(error) ? "lock_timeout" : "migration_failed",
    fact: failure,
    outcome: "nothing-run",
    remedy: `It must do nothing where everything is there already (create … if not exists). Correct ${before.migration.file}, then run \`tidemark migrate\` again.`,
    recorded,
  });
}

function noSchema(schema: string, cause: ServerError): MigrateError {
  return new MigrateError({
    code: "config",
    fact: `The schema ${schema}, which \`migrations.schema\` of drizzle.config.ts names, cannot be created: ${serverWords(cause)}`,
    outcome: "nothing-run",
    remedy: isRaised(cause)
      ? ASK_WHO_RAISES
      : "Create it, or give the role the right to (grant create on database … to …).",
    cause,
  });
}
