import { identifier, jsonLiteral, literal } from "../../base/quote.ts";
import type { EventPayload, UnderWay } from "../ledger-types.ts";
import type { HeldRun } from "../run-types.ts";
import type { Checksum, RecordedError, Tag } from "../types.ts";
import { copyEvents } from "./event-copy.ts";

/** The migration that an event is about. */
export interface Subject {
  readonly tag: Tag;
  readonly attempt: number;
  readonly checksum: Checksum;
}

/** How far a migration is, in statements. */
export interface Progressed {
  readonly statement: number;
  readonly statements: number;
  readonly prefix: Checksum | null;
}

/** An event to be written; the database adds when, by whom, and how long it took. */
export type NewEvent = Subject & {
  /** Kept in the ledger, and no part of the event. */
  readonly downSql?: string;
} & (
    | {
        readonly type: "migration.started";
        readonly payload: Progressed & Pick<EventPayload, "direction" | "down">;
      }
    | {
        readonly type: "migration.done";
        /** `rank`: among the applied migrations. */
        readonly payload: Progressed &
          Pick<EventPayload, "down" | "code"> & { readonly rank: number };
      }
    | {
        readonly type: "migration.reverted";
        readonly payload: Omit<Progressed, "prefix"> & Pick<EventPayload, "down">;
      }
    | {
        readonly type: "migration.resolved";
        /** With an answer: how far the migration is by it. */
        readonly payload: { readonly before: "FAILED" | "STUCK"; readonly restored?: true } & (
          | { readonly answer?: "retry" }
          | (Progressed & { readonly answer: "done" })
        );
      }
    | {
        readonly type: "statement.started";
        readonly payload: Omit<Progressed, "prefix"> & { readonly underWay: UnderWay };
      }
    | {
        readonly type: "statement.done";
        readonly payload: Progressed & { readonly durationMs?: number };
      }
    | {
        readonly type: "migration.failed";
        /** `ended`: the statement under way has ended, and needs no look. */
        readonly payload: {
          readonly error: RecordedError;
          readonly ended?: true;
          readonly direction?: "down";
        };
      }
    | {
        readonly type: "migration.adopted";
        /** Without a rank it stays pending; with `formerly` only its name is new. */
        readonly payload: Pick<EventPayload, "rank" | "by" | "appliedAt" | "row" | "formerly">;
      }
    | {
        readonly type: "repeatable.done";
        readonly payload: Required<Pick<EventPayload, "why" | "made">>;
      }
    /** Nothing of it is left, on disk or in the database. */
    | { readonly type: "repeatable.removed"; readonly payload: Readonly<Record<string, never>> }
    | {
        readonly type: "repeatable.failed";
        readonly payload: Required<Pick<EventPayload, "why" | "error">>;
      }
  );

/** Column of the duration that `record` returns: of what ended, in milliseconds. */
export const DURATION = "tidemark_duration";

/**
 * Writes events with their fold into the state table, renews the lease, and copies what
 * is new to the app's event store: the statements for it, in order.
 */
export function record(
  { schema, identity, lease, sink }: Pick<HeldRun, "schema" | "identity" | "lease" | "sink">,
  events: readonly NewEvent[],
  runner: {
    /** The database's new head; null leaves it as it is. */
    readonly head: Checksum | null;
    /** What the run does next, for those who wait to read. */
    readonly activity: string | null;
  },
): readonly string[] {
  const { host, processId, toolVersion, appVersion } = identity;
  const args = [
    literal(lease.runId),
    lease.token,
    jsonLiteral({ host, processId, toolVersion, appVersion }),
    jsonLiteral(events),
    literal(runner.head),
    literal(runner.activity),
  ];
  return [
    `select ${identifier(schema)}.record(${args.join(", ")}) as ${DURATION}`,
    ...copyEvents(schema, sink),
  ];
}
