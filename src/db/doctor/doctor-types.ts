import type { Blocker } from "../migrate/index.ts";

/** One thing that was looked at. */
export interface Finding {
  /** Stays the same between releases, for scripts: `server-version`, `invalid-indexes`, … */
  readonly code: string;
  /** `warning`: a run may be slower, wait, or meet it later; `error`: a run would fail. */
  readonly level: "ok" | "warning" | "error";
  /** What is so, with the values. */
  readonly fact: string;
  /** What to do about it; null where nothing is. */
  readonly remedy: string | null;
}

/** What the server says of itself, the role and the database. */
export interface Facts {
  readonly server: {
    /** As `server_version`: `15.18 (Debian 15.18-0+deb12u1)`. */
    readonly version: string;
    readonly isStandby: boolean;
    readonly encoding: string;
    /** Settings of the server that are not as they should be for data that matters: `fsync`. */
    readonly unsafe: readonly string[];
    readonly isAutovacuumOff: boolean;
    /** Standbys that a commit waits for, as `synchronous_standby_names`, and how many are there; null: none, or unseen. */
    readonly waitsFor: { readonly names: string; readonly there: number } | null;
    /** The last WAL file that could not be archived since one could. */
    readonly unarchived: string | null;
    /** Slots that are about to lose their WAL, or have lost it. */
    readonly lostSlots: readonly string[] | null;
    /** Transactions until the whole server takes no writes, and the database that must be vacuumed before. */
    readonly wraparound: { readonly left: number; readonly database: string };
  };
  readonly role: {
    readonly name: string;
    readonly database: string;
    readonly isSuperuser: boolean;
    readonly mayCreate: boolean;
    /** Null where there is no schema `public`. */
    readonly mayCreateInPublic: boolean | null;
    /** Tables that it may not alter, as they are another role's, and whose most are. */
    readonly foreignTables: {
      readonly count: number;
      readonly owner: string;
      readonly first: string;
      /** No owner is a superuser, whose rights nobody should be given for this. */
      readonly mayBeGranted: boolean;
    } | null;
    readonly ledger: {
      /** Missing rights, as GRANT has them: `usage on schema tidemark`. */
      readonly lacking: readonly string[];
    } | null;
    /** `name = value`, set for the role or the database. */
    readonly settings:
      | readonly { readonly name: string; readonly value: string; readonly source: string }[]
      | null;
  };
  readonly room: {
    /** Connections that are left for this role. */
    readonly left: number;
    /** What bounds it: `max_connections (100)`. */
    readonly bound: string;
  };
  readonly connection: {
    readonly backendPid: number;
    /** Null where it is unknown: behind a pooler it is the pooler's. */
    readonly isEncrypted: boolean | null;
    readonly isLocal: boolean;
  };
  readonly database: {
    readonly invalidIndexes: readonly { readonly index: string; readonly table: string }[] | null;
    readonly prepared: readonly { readonly gid: string; readonly forMs: number }[] | null;
    readonly eventTriggers: readonly string[] | null;
    /** Published tables of the ledger whose updates are refused. */
    readonly refused: readonly { readonly table: string; readonly publication: string }[] | null;
    /** Publications that send the ledger to subscribers. */
    readonly publishing: readonly string[] | null;
    /** Extensions that can be installed. */
    readonly available: readonly string[] | null;
  };
}

/** The facts, and what is only known besides. */
export interface Scene extends Facts {
  /** Backend pid as the handshake gave it. */
  readonly handshakePid: number;
  /** As `server_version_num`. */
  readonly serverVersion: number;
  readonly ledgerSchema: string;
  /** From when on a transaction is told of. */
  readonly longMs: number;
  /** Transactions that are open for longer, the oldest first. */
  readonly long: readonly Blocker[];
  readonly seesOthers: boolean;
}
