import type { ConnectProgress } from "../connection/connect.ts";
import type { TakenOver } from "./adopt-types.ts";
import type { HeldBack } from "./backfill-types.ts";
import type { RanRepeatable } from "./repeatable-types.ts";
import type { Tag, Warning } from "./types.ts";

/** A session that holds a lock, as far as the run's role may see it. */
export interface Blocker {
  /** Backend; 0 for a prepared transaction. */
  readonly pid: number;
  readonly user: string | null;
  readonly application: string | null;
  /** As in `pg_stat_activity`. */
  readonly state: string | null;
  /** The start of its query, running or last. */
  readonly query: string | null;
  /** Since its transaction began. */
  readonly forMs: number | null;
}

/** What the server is at, as its views `pg_stat_progress_…` have it. */
export interface ServerWork {
  /** Since the message began that it is at. */
  readonly forMs: number | null;
  /** Null for what the server does not tell of: most statements. */
  readonly command: string | null;
  /** With its schema. */
  readonly table: string | null;
  readonly phase: string | null;
  /** Of the phase, in a unit of its own. */
  readonly done: number | null;
  /** Null where it is not known. */
  readonly total: number | null;
}

/** What a runner is at, in whichever process. */
export interface RunningNow {
  /** A migration's tag, with the statement where that runs outside transactions. */
  readonly activity: string;
  readonly holder: LeaseHolder;
  /** Null where its backend does nothing at the moment, or may not be seen. */
  readonly work: ServerWork | null;
  /** Who holds a lock that it waits for. */
  readonly blockers: readonly Blocker[];
}

/** How far a backfill is. */
export interface BackfillProgress {
  readonly state: "running" | "waiting";
  readonly rowsDone: number;
  /** By statistics; null where there are none. */
  readonly rowsExpected: number | null;
  /** Smoothed over the last batches; null before the first. */
  readonly rowsPerSecond: number | null;
  /** Rows of the next batch. */
  readonly batchSize: number;
  /** Rows that were put aside. */
  readonly quarantined: number;
  /** Why it waits. */
  readonly reason: string | null;
}

/** What happens while a run goes on, in order. */
export type Progress =
  | ConnectProgress
  | { readonly kind: "ledger-created"; readonly schema: string }
  | { readonly kind: "waiting"; readonly holder: LeaseHolder; readonly waitedMs: number }
  | { readonly kind: "took-over"; readonly holder: LeaseHolder }
  | ({ readonly kind: "taken-over" } & TakenOver)
  | { readonly kind: "planned"; readonly tags: readonly Tag[]; readonly direction?: "down" }
  | {
      readonly kind: "migration-started";
      readonly tag: Tag;
      readonly index: number;
      readonly total: number;
      readonly statements: number;
      readonly resumedAt: number;
      /** It is taken back. */
      readonly direction?: "down";
    }
  /** A statement outside transactions begins. */
  | {
      readonly kind: "statement-started";
      readonly tag: Tag;
      /** From 1. */
      readonly statement: number;
      readonly statements: number;
      readonly label: string;
    }
  | {
      readonly kind: "statement-done";
      readonly tag: Tag;
      readonly statement: number;
      readonly label: string;
      readonly durationMs: number;
    }
  /** A line that a code step logs. */
  | { readonly kind: "step-log"; readonly tag: Tag; readonly line: string }
  /** What became of one that an earlier run had begun, or is cleared away before it runs again. */
  | { readonly kind: "statement-found"; readonly tag: Tag; readonly message: string }
  /** The migration waits for a lock that these sessions hold. */
  | { readonly kind: "blocked"; readonly tag: Tag; readonly blockers: readonly Blocker[] }
  /** It is done, and its commit waits until a standby has it (`synchronous_standby_names`). */
  | { readonly kind: "commit-waits"; readonly tag: Tag; readonly standbys: string }
  /** The server is at work on it: told every second, and before whom it waits for. */
  | { readonly kind: "working"; readonly tag: Tag; readonly work: ServerWork }
  /** It got no lock, was rolled back, and is tried again after a pause. */
  | {
      readonly kind: "lock-retry";
      readonly tag: Tag;
      readonly reason: string;
      readonly tries: number;
      readonly of: number;
      readonly pauseMs: number;
      readonly blockers: readonly Blocker[];
    }
  /** Its migration is applied; a worker is to run it. */
  | { readonly kind: "backfill-registered"; readonly tag: Tag; readonly table: string }
  /** Rows are filled in batches, or why that waits. */
  | ({ readonly kind: "backfill"; readonly tag: Tag } & BackfillProgress)
  | {
      readonly kind: "migration-done";
      readonly tag: Tag;
      readonly durationMs: number;
      readonly direction?: "down";
    }
  | {
      readonly kind: "repeatable-started";
      readonly tag: Tag;
      readonly index: number;
      readonly total: number;
    }
  /** What depends on it is dropped and made again, with it. */
  | { readonly kind: "repeatable-remade"; readonly tag: Tag; readonly objects: readonly string[] }
  | ({ readonly kind: "repeatable-done" } & RanRepeatable)
  /** A wait for another process's run: what is still missing, and what has to wait for a backfill. */
  | {
      readonly kind: "behind";
      readonly pending: number;
      readonly holder: LeaseHolder | undefined;
      readonly heldBack?: HeldBack;
    }
  | { readonly kind: "reconnecting"; readonly reason: string; readonly attempt: number }
  | { readonly kind: "lease-lost" }
  | { readonly kind: "warning"; readonly warning: Warning };

/** Who holds the lease, what it runs, since when. */
export interface LeaseHolder {
  readonly runId: string;
  readonly host: string;
  readonly processId: number;
  readonly user: string;
  readonly backendPid: number;
  readonly activity: string | null;
  /** It does not renew its lease any more, and this backend still runs a statement of it. */
  readonly zombie: number | null;
  readonly since: Date;
}
