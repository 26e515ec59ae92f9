import { columnOf } from "../../connection/ask.ts";
import { SessionLost } from "../../connection/loss.ts";
import { isServerError, type Reply, type ServerError } from "../../connection/session.ts";
import { MigrateError } from "../errors.ts";
import type { Ledger, LedgerEvent, LedgerRow, RunnerRow, StoredDown } from "../ledger-types.ts";
import type { SeenServer } from "../run-types.ts";
import type { Tag } from "../types.ts";
import { ASKED, STARTED, STORED_DOWN } from "./read.ts";
import { ledgerError } from "./server-error.ts";
import { LEDGER_VERSION } from "./tables.ts";

// No such table, no such schema.
const ABSENT = new Set(["42P01", "3F000"]);

/** The ledger is there, and has no runner row. Look again before you believe it. */
export class RunnerRowMissing extends MigrateError {
  constructor(schema: string) {
    super({
      code: "config",
      fact: `The ledger ${schema}.runner has no row.`,
      outcome: "nothing-run",
      remedy: "It was emptied: restore the schema from a backup.",
    });
  }
}

/** The runner row of a look's reply; undefined where there is no ledger. */
export function runnerOf(reply: Reply | ServerError, schema: string): RunnerRow | undefined {
  if (isServerError(reply)) {
    if (ABSENT.has(reply.code)) return undefined;
    throw ledgerError(schema, reply);
  }
  const row = reply.rows.find((item) => "tidemark_runner" in item)?.tidemark_runner;
  if (row === undefined) {
    if (reply.rows.some((item) => ASKED in item)) throw new RunnerRowMissing(schema);
    throw new SessionLost(
      "an answer came that belongs to another client: a pooler mixed up its connections",
    );
  }
  const runner = withDates(row as RunnerRow, ["acquiredAt", "expiresAt"]);
  if (runner.minReader > LEDGER_VERSION) throw ledgerNewer(schema, runner);
  return runner;
}

/** Notes which server has answered, where the answer says it. @returns whether it is the one that answered before */
export function noteServer(server: SeenServer, reply: Reply | ServerError): boolean {
  const started = isServerError(reply) ? undefined : columnOf(reply, STARTED);
  if (typeof started !== "string") return false;
  const isSame = server.started === started;
  server.started = started;
  return isSame;
}

/** The ledger of a reply that has the runner row and the state rows. */
export function ledgerOf(reply: Reply | ServerError, schema: string): Ledger {
  return { runner: runnerOf(reply, schema), rows: rowsOf(reply) };
}

/** The down files of a reply. */
export function storedDownsOf(reply: Reply): ReadonlyMap<Tag, StoredDown> {
  const rows = reply.rows.filter((item) => STORED_DOWN in item);
  return new Map(
    rows.map((item) => {
      const down = item[STORED_DOWN] as StoredDown;
      return [down.tag, down];
    }),
  );
}

/**
 * The state rows of a reply.
 *
 * @throws MigrateError `config` for a state that there is not
 */
export function rowsOf(reply: Reply | ServerError): readonly LedgerRow[] {
  if (isServerError(reply)) return [];
  return reply.rows
    .filter((item) => "tidemark_row" in item)
    .map(({ tidemark_row }) => {
      const row = withDates(tidemark_row as LedgerRow, ["startedAt", "finishedAt"]);
      refuseUnknownState(row);
      if (row.reverting === null) return row;
      return { ...row, reverting: withDates(row.reverting, ["startedAt", "finishedAt"]) };
    });
}

const STATES: readonly unknown[] = ["PENDING", "STARTED", "DONE", "FAILED"];

function refuseUnknownState({ tag, state }: LedgerRow): void {
  if (STATES.includes(state)) return;
  throw new MigrateError({
    code: "config",
    fact: `In the ledger ${tag} has the state ${JSON.stringify(state)}, which is none of ${STATES.join(", ")}.`,
    outcome: "nothing-run",
    remedy: "Somebody has changed the ledger by hand: restore its schema from a backup.",
  });
}

/**
 * The events of a reply that has the runner row too; none where there is no ledger.
 *
 * @throws MigrateError `ledger_newer`, `config`
 */
export function eventsOf(reply: Reply | ServerError, schema: string): readonly LedgerEvent[] {
  if (runnerOf(reply, schema) === undefined || isServerError(reply)) return [];
  return eventRowsOf(reply);
}

/** The events among the rows of a reply. */
export function eventRowsOf(reply: Reply): readonly LedgerEvent[] {
  return reply.rows
    .filter((item) => "tidemark_event" in item)
    .map((item) => withDates(item.tidemark_event as LedgerEvent, ["at"]));
}

function withDates<T extends object>(row: T, keys: readonly (keyof T)[]): T {
  const copy: T = { ...row };
  for (const key of keys) {
    const value = row[key];
    if (typeof value === "string") copy[key] = new Date(value) as T[keyof T];
  }
  return copy;
}

function ledgerNewer(schema: string, runner: RunnerRow): MigrateError {
  return new MigrateError({
    code: "ledger_newer",
    fact: `The ledger in schema ${schema} is version ${runner.ledgerVersion} and needs a Tidemark that supports version ${runner.minReader}; this one supports version ${LEDGER_VERSION}.`,
    outcome: "nothing-run",
    remedy:
      "A newer Tidemark has worked on this database: update this one " +
      "(npm install tidemark@latest), or run the release that has it.",
  });
}
