import { messageOf } from "../../base/problem.ts";
import { shortened } from "../../base/text.ts";
import { SessionLost } from "../../connection/loss.ts";
import { isServerError } from "../../connection/session.ts";
import { BACKFILL_LOST } from "../ledger/backfill-tables.ts";
import { FENCED } from "../ledger/functions.ts";
import type { RecordedError } from "../types.ts";
import type { Key } from "./keys.ts";

/** A backfill that cannot go on: what is recorded of it. */
export class BackfillFailed extends Error {
  override readonly name = "BackfillFailed";
  readonly recorded: RecordedError;

  /** @param cause what a row or a statement failed with */
  constructor(fact: string, cause?: unknown) {
    super(fact, { cause });
    this.recorded = { ...recordedOf(cause ?? this), text: fact };
  }
}

/** Code of a batch did what it must not: no other row makes that better. */
export class BatchMisuse extends Error {
  override readonly name = "BatchMisuse";
}

/** The transaction is another process's to write by now. */
export function isTaken(error: unknown): boolean {
  return isServerError(error) && (error.code === FENCED || error.code === BACKFILL_LOST);
}

export function isLoss(error: unknown): boolean {
  return error instanceof SessionLost;
}

/**
 * Whether another row might not have it: errors of data (22), of constraints (23, 44), and those that triggers and
 * functions raise (P0001). A column that is not there fails for each row.
 */
export function isOfRow(error: unknown): boolean {
  if (!isServerError(error)) return !(error instanceof BatchMisuse);
  return /^(22|23|44)/.test(error.code) || error.code === "P0001";
}

/** What the ledger keeps of an error. */
export function recordedOf(error: unknown): RecordedError {
  const message = shortened(messageOf(error));
  const cut = (text: string | undefined) => (text === undefined ? null : shortened(text));
  const server = isServerError(error) ? error : undefined;
  return {
    sqlState: server?.code ?? null,
    message,
    detail: cut(server?.detail),
    hint: cut(server?.hint),
    where: cut(server?.where),
    file: null,
    line: null,
    column: null,
    statement: null,
    statements: null,
    text: message,
  };
}

/** A row as people name it: `id = 7`, `(org, id) = (3, 7)`. */
export function keyText(columns: readonly string[], key: Key): string {
  return columns.length === 1
    ? `${columns[0]} = ${key[0]}`
    : `(${columns.join(", ")}) = (${key.join(", ")})`;
}
