import { ask, columnOf, transact } from "../../connection/ask.ts";
import {
  ASYNCHRONOUS_COMMIT,
  beginForOthers,
  EXACT_TEXTS,
  limits,
  ownSettings,
} from "../../connection/begin.ts";
import type { Reply } from "../../connection/session.ts";
import type { BackfillDefinition } from "../code/backfill-definition.ts";
import type { Session } from "../run-types.ts";
import type { Tag } from "../types.ts";
import { type Key, NEXT, nextEnd, type Target, updateOf } from "./keys.ts";
import { PASS, WANTED, type Wanted } from "./store.ts";

/** What a backfill's transactions are made of. */
export interface Filling {
  readonly session: Session;
  readonly tag: Tag;
  readonly target: Target;
  readonly definition: BackfillDefinition;
  readonly longestMs: number;
  readonly lockTimeoutMs: number;
  /** Proof that the run is still the one that may write: the first statement of each transaction. */
  readonly fence: readonly string[];
  readonly signal: AbortSignal;
  /** Runs the definition's code on the rows of this condition, in the open transaction. */
  readonly runCode: (rows: string) => Promise<void>;
  /** Takes back what that code may have left in the session. */
  readonly afterCode: readonly string[];
}

/** A lock that is not got is to be told from a batch that is too long: its time-out comes first. */
export function lockTimeoutOf(lockTimeoutMs: number, longestMs: number): number {
  return Math.min(lockTimeoutMs, Math.ceil(longestMs / 2));
}

/** Where the next batch ends; undefined where there is none. */
export interface End {
  readonly key: Key;
  readonly rows: number;
}

export interface Filled {
  readonly wanted: Wanted | null;
  readonly next: End | undefined;
  /** The pass that it counts as from here, where that has changed. */
  readonly pass: number | undefined;
}

const BEFORE = [
  // As the role names things, whatever a pooler's other client has left in the session.
  "set local search_path to default",
  "set local datestyle to default",
];

/** Looking locks nothing, and may have to go over many dead rows; well within the life of a claim. */
const LOOK_MS = 8_000;

/** Looks where the batch after `from` ends. */
export async function lookForEnd(
  { session, target, longestMs }: Pick<Filling, "session" | "target" | "longestMs">,
  from: Key | null,
  size: number,
): Promise<End | undefined> {
  const text = [
    `begin;\n${ownSettings(session.serverVersion)}`,
    ...BEFORE,
    `set local statement_timeout to ${Math.max(longestMs, LOOK_MS)}`,
    ...EXACT_TEXTS,
    nextEnd(target, from, size),
    "rollback",
  ].join(";\n");
  return endOf(await ask(session, "backfill", text));
}

/**
 * Fills rows and commits the checkpoint with them: one transaction, and one round trip where SQL does it. Looks in it
 * where the next batch ends.
 *
 * @param rows condition for them
 * @param commit what the transaction changes of the backfill
 * @param more `following`: where the next batch begins, and how many rows it is to have, where it is to be looked for;
 * `filled`: what to do next, with the names and settings that the definition's SQL has
 * @throws ServerError, with the transaction left open; what the definition's code throws; SessionLost
 */
export async function fillRows(
  filling: Filling,
  rows: string,
  commit: readonly string[],
  {
    following,
    filled: afterwards = [],
  }: {
    readonly following?: { readonly from: Key; readonly size: number } | undefined;
    readonly filled?: readonly string[];
  } = {},
): Promise<Filled> {
  const { session, tag, target, definition, longestMs, lockTimeoutMs, fence } = filling;
  const begin = [
    beginForOthers(session.serverVersion, lockTimeoutMs),
    ...fence,
    ...BEFORE,
    `set local statement_timeout to ${longestMs}`,
  ];
  const end = [
    "set constraints all immediate",
    ...afterwards,
    ...(following === undefined
      ? []
      : [...EXACT_TEXTS, nextEnd(target, following.from, following.size)]),
    ownSettings(session.serverVersion),
    ...commit,
    // Rows and checkpoint are lost together, if a server crash takes them back; the end of all is on disk.
    ASYNCHRONOUS_COMMIT,
    "commit",
  ];
  const name = `backfill:${tag}` as const;
  if (definition.run === undefined) {
    const { set = "", where } = definition;
    const text = [...begin, updateOf(target, { set, where }, rows), ...end].join(";\n");
    return filled(await ask(session, name, text));
  }
  await ask(session, "backfill", [...begin, ...EXACT_TEXTS].join(";\n"));
  const { where } = definition;
  await filling.runCode(where === undefined ? rows : `${rows} and (${where}\n)`);
  const after = [
    ...filling.afterCode,
    ...BEFORE,
    limits(session.serverVersion, lockTimeoutMs),
    `set local statement_timeout to ${longestMs}`,
  ];
  return filled(await ask(session, name, [...after, ...end].join(";\n")));
}

/** Runs SQL in a fenced transaction with a checkpoint. */
export async function runStatements(
  { session, fence, lockTimeoutMs }: Pick<Filling, "session" | "fence" | "lockTimeoutMs">,
  statements: readonly string[],
  commit: readonly string[],
): Promise<Reply> {
  const text = [
    beginForOthers(session.serverVersion, lockTimeoutMs),
    ...fence,
    ...BEFORE,
    ...statements.map((statement) => `${statement}\n`),
    "set constraints all immediate",
    ownSettings(session.serverVersion),
    ...commit,
    "commit",
  ].join(";\n");
  return ask(session, "backfill", text);
}

/** A transaction of ours, fenced. */
export async function sendFenced(
  { session, fence }: Pick<Filling, "session" | "fence">,
  statements: readonly string[],
): Promise<Reply> {
  return transact(session, "backfill", [...fence, ...statements]);
}

function filled(reply: Reply): Filled {
  return {
    wanted: (columnOf(reply, WANTED) ?? null) as Wanted | null,
    next: endOf(reply),
    pass: columnOf(reply, PASS) as number | undefined,
  };
}

function endOf(reply: Reply): End | undefined {
  const found = columnOf(reply, NEXT) as { key: string[]; rows: number } | null | undefined;
  return found ?? undefined;
}
