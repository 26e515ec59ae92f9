import { identifier } from "../../base/quote.ts";
import type { Row } from "../../connection/session.ts";

/** What fills rows, in batches by key, each in a transaction with its checkpoint. */
export interface BackfillDefinition {
  /** The table, as in SQL: `users`, `app.users`, `"Users"`. */
  readonly table: string;
  /** Columns of a unique key, in its order. Default: the primary key. */
  readonly key?: string | readonly string[];
  /** Which rows, as an SQL condition over the table, whose name in it is `t`. Default: all. */
  readonly where?: string;
  /**
   * What they get, as the SET list of an UPDATE of the table `t`: `full_name = t.first || ' ' || t.last`.
   * Either this or `run`.
   */
  readonly set?: string;
  /** Code for a batch, in the batch's transaction. Must do nothing that a rollback does not take back. */
  readonly run?: (batch: Batch) => Promise<void> | void;
  readonly batch?: BatchLimits;
  /** `migrate` does not wait for it: a worker of the application runs it. Default false. */
  readonly background?: boolean;
  /**
   * SQL that runs when the last batch is through, each in a transaction of its own, with the time-outs for locks
   * of a migration. `setNotNull(table, column)` writes the usual one.
   */
  readonly finalize?: string | readonly string[];
  /** When it may run, by the clock of a time zone: `{ from: "22:00", to: "06:00", timeZone: "Europe/Zurich" }`. */
  readonly hours?: Hours;
  readonly pauseWhen?: PauseLimits;
  /**
   * Share of the rows that may be put aside before it is given up, from 0 to 1. Default 0.01. Rows that are put
   * aside are tried again at the end; it is done when none is left.
   */
  readonly maxQuarantined?: number;
}

/** Rows of a batch, in milliseconds of its transaction. */
export interface BatchLimits {
  /** Of the first batch. Default 1,000. */
  readonly size?: number;
  /** Default 1. */
  readonly min?: number;
  /** Default 50,000. */
  readonly max?: number;
  /** What a batch may take: its size follows this. Default 250. */
  readonly targetMs?: number;
  /** Where a batch is stopped, rolled back and tried again with half of its rows. Default 1,000. */
  readonly longestMs?: number;
}

/** As `HH:MM`; where `from` is after `to`, over midnight. */
export interface Hours {
  readonly from: string;
  readonly to: string;
  /** An IANA name. Default UTC. */
  readonly timeZone?: string;
}

/** What makes it wait. Unknown where the role may not see it. */
export interface PauseLimits {
  /** A standby is this far behind in replay. Default 10,000. */
  readonly replicationLagMs?: number;
  /** WAL files wait to be archived. Default 64. */
  readonly walFilesToArchive?: number;
  /** Dead rows of the table for each live one: vacuum does not keep up. Default 2. */
  readonly deadRows?: number;
}

/** What the code of a batch works with. */
export interface Batch {
  /** SQL condition for the batch's rows of the table, whose name in it is `t`. */
  readonly rows: string;
  /** Sends SQL in the batch's transaction, and returns its rows; of several statements, those of all. */
  readonly query: (text: string) => Promise<readonly Row[]>;
  /** Comes when the run is to stop. */
  readonly signal: AbortSignal;
  /** Shown as progress. */
  readonly log: (line: string) => void;
}

export const DEFAULTS = {
  size: 1_000,
  min: 1,
  max: 50_000,
  targetMs: 250,
  longestMs: 1_000,
  replicationLagMs: 10_000,
  walFilesToArchive: 64,
  deadRows: 2,
  maxQuarantined: 0.01,
} as const;

/**
 * SQL that makes a column NOT NULL: by a CHECK that is validated in a transaction of its own, so that no lock that
 * stops readers or writers is held while the table is read. Source: postgresql.org/docs/current/sql-altertable.html,
 * "SET NOT NULL".
 */
export function setNotNull(table: string, column: string): readonly string[] {
  const name = identifier(`tidemark_${column}_not_null`);
  const quoted = identifier(column);
  return [
    `alter table ${table} add constraint ${name} check (${quoted} is not null) not valid`,
    `alter table ${table} validate constraint ${name}`,
    `alter table ${table} alter column ${quoted} set not null`,
    `alter table ${table} drop constraint ${name}`,
  ];
}
