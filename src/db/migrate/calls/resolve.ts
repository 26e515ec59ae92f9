import { MigrateError } from "../errors.ts";
import { prefixOf, statementDigest } from "../history/checksum.ts";
import { commitUnderLease, sinkOf } from "../lease/commit.ts";
import { fence, look, releaseLease } from "../lease/sql.ts";
import { release, takeOrWait } from "../lease/wait.ts";
import { readRows } from "../ledger/read.ts";
import { type NewEvent, record } from "../ledger/record.ts";
import { isContended, rowsOf, runnerOf } from "../ledger/replies.ts";
import type { ResolveOptions, ResolveReport } from "../reports.ts";
import { asksForNoTransaction, segmentsOf } from "../sql/segments.ts";
import { parseStatements } from "../sql/statements.ts";
import type { LedgerRow, Tag } from "../types.ts";
import { openLedger } from "./open-ledger.ts";
import type { RunRequest } from "./request.ts";

type InDoubt = LedgerRow & { readonly underWay: NonNullable<LedgerRow["underWay"]> };

/**
 * Records a person's answer to whether a statement in doubt was done, under the lease: a runner
 * that is at work is waited for.
 *
 * @throws MigrateError `usage` where nothing of the migration is in doubt; `checksum_mismatch` where
 * the file has another statement in its place; `lock_timeout`, `lease_lost`, `connect`, `config`
 */
export async function resolveDoubt(
  request: RunRequest,
  tag: Tag,
  answer: ResolveOptions["answer"],
): Promise<ResolveReport> {
  const { schema, identity, waitTimeoutMs, onProgress, signal } = request;
  const { session, first } = await openLedger(request, look(schema));
  try {
    const runner = runnerOf(first, schema);
    if (runner === undefined) throw nothingInDoubt(tag, "there is no ledger yet");
    const { reply } = await session.send("read", readRows(schema));
    // Before anybody is waited for.
    inDoubt(rowsOf(await reply), tag);
    const waiting = { since: undefined };
    const wait = { session, schema, identity, waitTimeoutMs, waiting, onProgress, signal };
    const outcome = await takeOrWait(wait, runner, () => false);
    // Nobody has done it for us: that is what the last argument says.
    if (outcome.kind === "done") throw new TypeError("an answer has no end but its own");
    const { lease } = outcome;
    try {
      const row = inDoubt(outcome.rows, tag);
      const payload = await payloadOf(request, row, answer);
      const { attempt, checksum, underWay } = row;
      const event = { type: "migration.resolved", tag, attempt, checksum, payload } as NewEvent;
      const context = { schema, identity, lease, sink: await sinkOf(request), lockTimeoutMs: 0 };
      await commitUnderLease(session, "resolve", [
        fence(schema, lease, { activity: "resolve" }),
        ...record(context, [event], { head: null, activity: null }),
        releaseLease(schema, lease),
      ]);
      const { statement, label } = underWay;
      return { tag, answer, statement, statements: row.statementsTotal, label };
    } catch (error) {
      await release(session, schema, lease).catch(() => undefined);
      throw isContended(error) ? leaseLost(error) : error;
    }
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
  request: RunRequest,
  row: InDoubt,
  answer: ResolveOptions["answer"],
): Promise<unknown> {
  const before = row.state === "FAILED" ? "FAILED" : "STUCK";
  if (answer === "retry") return { before, answer };
  const { underWay, tag } = row;
  const { migrations, dir } = await request.history;
  const migration = migrations.find((item) => item.tag === tag);
  if (migration === undefined) throw missing(tag, dir);
  const statements = await parseStatements(migration.sql, migration.file);
  const statement = statements[underWay.statement - 1];
  if (statement === undefined || statementDigest(statement.text) !== underWay.digest) {
    throw new MigrateError({
      code: "checksum_mismatch",
      tag,
      fact: `Statement ${underWay.statement} of ${migration.file} is not the one that was begun (${underWay.label}).`,
      outcome: "nothing-written",
      remedy: "Restore the statement, or answer with --retry.",
    });
  }
  const noTransaction = asksForNoTransaction(migration.sql);
  const segments = segmentsOf(statements, { noTransaction, resumeAt: underWay.statement - 1 });
  // A COMMIT behind it is done with it.
  const done = segments[0]?.kind === "outside" ? segments[0].to : underWay.statement;
  const prefix = prefixOf(statements, done);
  return { before, answer, statement: done, statements: statements.length, prefix };
}

function leaseLost(cause: unknown): MigrateError {
  return new MigrateError({
    code: "lease_lost",
    fact: "Another runner took the lease.",
    outcome: "nothing-written",
    remedy: "Look at `tidemark status`, then run it again.",
    cause,
  });
}

function nothingInDoubt(tag: Tag, why: string): MigrateError {
  return new MigrateError({
    code: "usage",
    tag,
    fact: `Nothing of ${tag} is in doubt: ${why}.`,
    outcome: "nothing-written",
    remedy: "`tidemark status` shows what is.",
  });
}

function missing(tag: Tag, dir: string): MigrateError {
  return new MigrateError({
    code: "missing_file",
    tag,
    fact: `${dir} has no migration ${tag}.`,
    outcome: "nothing-written",
    remedy: "Bring its file back, or answer with --retry.",
  });
}
