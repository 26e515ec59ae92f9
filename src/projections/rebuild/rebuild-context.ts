import type { DatabasePool } from "../../db/pool/index.ts";
import type { EventStore } from "../../eventstore/index.ts";
import type { Projection } from "../definition.ts";
import type { Subscriber } from "../subscriber.ts";
import type { TableName } from "./cloned-tables.ts";

/** What a rebuild tells of. */
export type RebuildProgress =
  /** The new tables are there, or still there from a rebuild that was interrupted. */
  | { readonly kind: "prepared"; readonly schema: string; readonly isResumed: boolean }
  | {
      readonly kind: "building";
      readonly instanceId: string;
      /** Handled in this call. */
      readonly events: number;
      readonly perSecond: number;
      /** Of the events that were there when the call began, about. */
      readonly remaining: number;
    }
  | {
      readonly kind: "quarantined";
      readonly instanceId: string;
      readonly aggregateType: string;
      readonly aggregateId: string;
      readonly error: string;
    }
  /** A transient failure; it goes on. */
  | { readonly kind: "retrying"; readonly error: string; readonly retryInMs: number }
  /** The tables could not be had within `waitedMs`; it tries again. */
  | { readonly kind: "swap-waits"; readonly attempt: number; readonly error: string }
  | { readonly kind: "swapped"; readonly tookMs: number };

export interface RebuildContext {
  readonly pool: DatabasePool;
  readonly store: Pick<EventStore, "barrier">;
  readonly projection: Projection;
  /** Writes the new tables, under a name of its own. */
  readonly subscriber: Subscriber;
  readonly tables: readonly TableName[];
  readonly report: (progress: RebuildProgress) => void;
  readonly signal: AbortSignal;
  readonly statementTimeoutMs: number;
}

/** In `current_states` and `failed_events`; no projection can have such a name. */
export function rebuildName(projection: string): string {
  return `${projection}~rebuild`;
}

export function rebuildSchema(projection: string): string {
  return `projections_rebuild_${projection}`;
}

/** Where the old tables are between two statements of the swap. */
export function replacedSchema(projection: string): string {
  return `projections_replaced_${projection}`;
}
