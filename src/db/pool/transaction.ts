import postgres from "postgres";
import { DatabaseError } from "./database-error.ts";
import { createDrizzleHandle, type DrizzleHandle, type DrizzleSource } from "./drizzle-handle.ts";
import type { Result, Session, Statement } from "./session.ts";

/** The server's defaults where unset. */
export interface TransactionOptions {
  readonly isolationLevel?: keyof typeof ISOLATION_LEVELS;
  readonly accessMode?: keyof typeof ACCESS_MODES;
  /**
   * Reject as soon as the connection is lost, without waiting for `work`, which may never end; its
   * queries are refused from then on. Default false.
   */
  readonly leaveWhenLost?: boolean;
}

/** The queries of one transaction, in the order of the calls; refused once it has ended. */
export interface Transaction {
  query<T>(text: string, params?: readonly unknown[]): Promise<readonly T[]>;
  queryOne<T>(text: string, params?: readonly unknown[]): Promise<T | undefined>;
  /** Its `transaction` is a savepoint. */
  readonly drizzle: DrizzleHandle;
  /** The same transaction; `check` sees the text of each statement first, and refuses it by throwing. */
  checked(check: (text: string) => void): Transaction;
}

const ISOLATION_LEVELS = {
  "read committed": "isolation level read committed",
  "repeatable read": "isolation level repeatable read",
  serializable: "isolation level serializable",
} as const;

const ACCESS_MODES = { "read write": "read write", "read only": "read only" } as const;

/** Runs `work` in a transaction of the session: commits if it resolves, else rolls back. */
export async function runTransaction<T>(
  session: Session,
  work: (source: DrizzleSource) => Promise<T>,
  options: TransactionOptions = {},
): Promise<T> {
  await session.run({ text: beginText(options) });
  const scope = openScope(session);
  let result: T;
  try {
    result = await (options.leaveWhenLost === true ? session.untilLost(work(scope)) : work(scope));
  } catch (error) {
    scope.over = true;
    await undo(session, "rollback");
    throw error;
  }
  scope.over = true;
  await commit(session, scope.firstError);
  return result;
}

export function createTransaction(source: DrizzleSource): Transaction {
  let handle: DrizzleHandle | undefined;
  return {
    query: async <T>(text: string, params: readonly unknown[] = []) =>
      [...(await source.run({ text, params }))] as unknown as readonly T[],
    queryOne: async <T>(text: string, params: readonly unknown[] = []) =>
      readOne<T>(await source.run({ text, params })),
    get drizzle() {
      handle ??= createDrizzleHandle(source);
      return handle;
    },
    checked: (check) => createTransaction(checkedSource(source, check)),
  };
}

function checkedSource(source: DrizzleSource, check: (text: string) => void): DrizzleSource {
  return {
    run: async (statement) => {
      check(statement.text);
      return source.run(statement);
    },
    atomically: (work) => source.atomically((inner) => work(checkedSource(inner, check))),
  };
}

/** The only row, or undefined if there is none. Throws `too_many_rows`. */
export function readOne<T>(rows: readonly unknown[]): T | undefined {
  if (rows.length <= 1) return rows[0] as T | undefined;
  throw new DatabaseError({
    code: "too_many_rows",
    fact: `The query returned ${rows.length} rows where at most one was expected.`,
    remedy: "Narrow its condition, or use query().",
  });
}

/** Throws if the statement began or ended a transaction without the pool's knowledge. */
export function refuseTransactionControl(session: Session, command: string): void {
  if (!CONTROL_COMMANDS.has(command)) return;
  const error = new DatabaseError({
    code: "transaction_control",
    fact: `${command} ran as a query. Its connection was dropped, and everything that was not committed.`,
    remedy: "Use transaction(), and drizzle's nested transaction() for a savepoint.",
  });
  session.kill(error);
  throw error;
}

// ROLLBACK is also the tag of ROLLBACK TO SAVEPOINT: the server does not distinguish them.
const CONTROL_COMMANDS: ReadonlySet<string> = new Set([
  "BEGIN",
  "START TRANSACTION",
  "COMMIT",
  "ROLLBACK",
  "PREPARE TRANSACTION",
]);

interface Scope extends DrizzleSource {
  over: boolean;
  /** Of the errors that no savepoint has undone. */
  firstError: unknown;
}

function openScope(session: Session): Scope {
  let savepoints = 0;
  const scope: Scope = {
    over: false,
    firstError: undefined,
    run: async (statement: Statement) => {
      if (scope.over) throw transactionOver();
      try {
        const result = await session.run(statement);
        refuseTransactionControl(session, result.command);
        return result;
      } catch (error) {
        scope.firstError ??= error;
        throw error;
      }
    },
    atomically: async (work) => {
      savepoints += 1;
      const name = `tidemark_${savepoints}`;
      await scope.run({ text: `savepoint ${name}` });
      let result: Awaited<ReturnType<typeof work>>;
      try {
        result = await work(scope);
      } catch (error) {
        await undo(session, `rollback to savepoint ${name}`);
        scope.firstError = undefined;
        throw error;
      }
      await scope.run({ text: `release savepoint ${name}` });
      return result;
    },
  };
  return scope;
}

async function commit(session: Session, firstError: unknown): Promise<void> {
  if (session.lost !== undefined) throw session.lost;
  let result: Result;
  try {
    result = await session.run({ text: "commit" });
  } catch (error) {
    // The server refused and is still there: it has rolled back.
    if (error instanceof postgres.PostgresError && error.severity === "ERROR") throw error;
    throw new DatabaseError({
      code: "commit_in_doubt",
      fact: "The connection was lost during COMMIT: the transaction is either committed completely or not at all.",
      remedy: "Look for its effect before you try again.",
      cause: error,
    });
  }
  if (result.command === "COMMIT") return;
  throw new DatabaseError({
    code: "transaction_aborted",
    fact: "Nothing was committed: a statement of the transaction had failed, and its error was ignored.",
    remedy: "Let the error reject the transaction, or put the statement in a nested transaction.",
    cause: firstError,
  });
}

async function undo(session: Session, text: string): Promise<void> {
  if (session.lost !== undefined) return;
  try {
    await session.run({ text });
  } catch (error) {
    // Without its connection the server rolls back by itself. The caller gets the error that led
    // here, which this one must not replace.
    session.kill(
      new DatabaseError({
        code: "connection_lost",
        fact: `The connection was dropped, because \`${text}\` failed on it.`,
        remedy: "Try again.",
        cause: error,
      }),
    );
  }
}

function transactionOver(): DatabaseError {
  return new DatabaseError({
    code: "transaction_over",
    fact: "The transaction has ended, and its handle with it.",
    remedy: "Await every query inside it.",
  });
}

function beginText({ isolationLevel, accessMode }: TransactionOptions): string {
  const modes = [
    isolationLevel === undefined ? undefined : ISOLATION_LEVELS[isolationLevel],
    accessMode === undefined ? undefined : ACCESS_MODES[accessMode],
  ];
  return ["begin", ...modes.filter((mode) => mode !== undefined)].join(" ");
}
