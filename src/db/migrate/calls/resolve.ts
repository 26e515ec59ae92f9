import { ask } from "../../connection/ask.ts";
import { MigrateError } from "../errors.ts";
import { prefixOf, statementDigest } from "../history/checksum.ts";
import { commitEvents, withLease } from "../lease/hold.ts";
import { look } from "../lease/sql.ts";
import { readRows, readStoredDowns } from "../ledger/read.ts";
import type { NewEvent } from "../ledger/record.ts";
import { rowsOf, runnerOf, storedDownsOf } from "../ledger/replies.ts";
import { isContended } from "../ledger/server-error.ts";
import type { LedgerRow } from "../ledger-types.ts";
import type { ResolveOptions, ResolveReport } from "../reports.ts";
import type { HeldRun, Run } from "../run-types.ts";
import { asksForNoTransaction, remainingOf, segmentsOf } from "../sql/segments.ts";
import { parseStatements } from "../sql/statements.ts";
import type { Tag } from "../types.ts";
import { openLedger } from "./call.ts";

type InDoubt = LedgerRow & { readonly underWay: NonNullable<LedgerRow["underWay"]> };

/**
 * Records a person's answer to whether a statement in doubt was done, under the lease: a runner
 * that is at work is waited for.
 *
 * @throws MigrateError `usage` where nothing of the migration is in doubt; `checksum_mismatch` where
 * the file has another statement in its place; `lock_timeout`, `lease_lost`, `connect`, `config`
 */
export async function resolveDoubt(
  run: Run,
  tag: Tag,
  answer: ResolveOptions["answer"],
): Promise<ResolveReport> {
  const { schema } = run;
  const { session, first } = await openLedger(run, look(schema));
  try {
    const runner = runnerOf(first, schema);
    if (runner === undefined) throw nothingInDoubt(tag, "there is no ledger yet");
    // Before anybody is waited for.
    inDoubt(rowsOf(await ask(session, "read", readRows(schema))), tag);
    const end = await withLease(run, session, runner, async (held, { rows }) => {
      const row = inDoubt(rows, tag);
      const payload = await payloadOf(held, row, answer);
      const { attempt, checksum } = row;
      const event = { type: "migration.resolved", tag, attempt, checksum, payload } as NewEvent;
      await commitEvents(held, "resolve", [event]).catch((error: unknown) => {
        throw isContended(error) ? leaseLost(error) : error;
      });
      return row;
    });
    // It waits for no other runner to do it.
    if (end === undefined) throw new TypeError("an answer ended without a result");
    const { underWay, statementsTotal } = end.value;
    const { statement, label } = underWay;
    return { tag, answer, statement, statements: statementsTotal, label };
  } finally {
    await session.close();
  }
}

function inDoubt(rows: readonly LedgerRow[], tag: Tag): InDoubt {
  const row = rows.find((item) => item.tag === tag);
  if (row === undefined) throw nothingInDoubt(tag, "it was never started");
  const { underWay, state } = row;
  if (underWay === null)
    throw nothingInDoubt(tag, `it is ${state}, and none of its statements is open`);
  return { ...row, underWay };
}

async function payloadOf(
  run: HeldRun,
  row: InDoubt,
  answer: ResolveOptions["answer"],
): Promise<unknown> {
  const before = row.state === "FAILED" ? "FAILED" : "STUCK";
  if (answer === "retry") return { before, answer };
  const { underWay, tag } = row;
  const { migrations, dir } = await run.history;
  const migration =
    row.reverting === null ? migrations.find((item) => item.tag === tag) : await wayDown(run, row);
  if (migration === undefined) throw missing(tag, dir);
  const statements = await parseStatements(migration.sql, migration.file);
  const statement = statements[underWay.statement - 1];
  if (statement === undefined || statementDigest(statement.text) !== underWay.digest) {
    throw new MigrateError({
      code: "checksum_mismatch",
      tag,
      fact: `Statement ${underWay.statement} of ${migration.file} is not the one that was started (${underWay.label}).`,
      outcome: "nothing-written",
      remedy: "Restore the statement, or answer with --retry.",
    });
  }
  const whole = segmentsOf(statements, asksForNoTransaction(migration.sql));
  const [segment] = remainingOf(whole, statements, underWay.statement - 1);
  // A COMMIT after it is done with it.
  const done = segment?.kind === "outside" ? segment.to : underWay.statement;
  const prefix = prefixOf(statements, done);
  // The code step, which is not known of a way down, counts as one.
  const code = "code" in migration && migration.code !== undefined ? 1 : 0;
  return { before, answer, statement: done, statements: statements.length + code, prefix };
}

/** What the rollback of a migration was begun with: the ledger has kept it. */
async function wayDown({ session, schema }: HeldRun, { tag }: LedgerRow) {
  const kept = storedDownsOf(await ask(session, "read", readStoredDowns(schema))).get(tag);
  return kept && { file: `${tag}.down.sql`, sql: kept.sql };
}

function leaseLost(cause: unknown): MigrateError {
  return new MigrateError({
    code: "lease_lost",
    fact: "Another runner took the lease.",
    outcome: "nothing-written",
    remedy: "Check `tidemark status`, then run it again.",
    cause,
  });
}

function nothingInDoubt(tag: Tag, why: string): MigrateError {
  return new MigrateError({
    code: "usage",
    tag,
    fact: `Nothing of ${tag} is in doubt: ${why}.`,
    outcome: "nothing-written",
    remedy: "`tidemark status` shows what is in doubt.",
  });
}

function missing(tag: Tag, dir: string): MigrateError {
  return new MigrateError({
    code: "missing_file",
    tag,
    fact: `${dir} has no migration ${tag}.`,
    outcome: "nothing-written",
    remedy: "Restore its file, or answer with --retry.",
  });
}
