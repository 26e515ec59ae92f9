import { dollarQuote } from "../../base/quote.ts";
import { plural } from "../../base/text.ts";
import { transact } from "../../connection/ask.ts";
import { isServerError } from "../../connection/session.ts";
import type { Run, Session } from "../run-types.ts";
import { refuseLedgerWrites } from "../sql/ledger-writes.ts";
import type { ParsedStep } from "../sql/segments.ts";

/**
 * Refuses what would change the ledger, and asks the server's own grammar about the statements that ours does not
 * read: another version knows other keywords. Nothing of them runs.
 *
 * @throws MigrateError `unsupported_statement`; `history_invalid`, the first one that the server does not read either
 */
export async function judgeStatements(
  session: Session,
  steps: readonly ParsedStep[],
  { onProgress, schema }: Pick<Run, "onProgress" | "schema">,
): Promise<void> {
  refuseLedgerWrites(steps, schema);
  for (const { migration, statements, resumeAt } of steps) {
    const unread = statements.slice(resumeAt).filter((one) => one.unread !== undefined);
    for (const { text, unread: found } of unread) {
      if (found !== undefined && !(await isRead(session, text))) throw found.refusal;
    }
    if (unread.length === 0) continue;
    const server = Math.floor(session.serverVersion / 10_000);
    const message =
      `${migration.file}: ${plural(unread.length, "statement")} that PostgreSQL 18's grammar does not read, and the server's (${server}) does. ` +
      "Each runs in a transaction, unread: its locks and losses are not foreseen.";
    onProgress({ kind: "warning", warning: { kind: "unread", message } });
  }
}

/** A function's body is parsed when it is made, and a branch that is not taken does not run. */
async function isRead(session: Session, text: string): Promise<boolean> {
  const quote = dollarQuote(text);
  const body = `begin if false then\n${text}\n; end if; end`;
  const statements = ["set local check_function_bodies to on", `do ${quote}${body}${quote}`];
  try {
    await transact(session, "grammar", statements, "rollback");
    return true;
  } catch (error) {
    if (!isServerError(error)) throw error;
    return false;
  }
}
