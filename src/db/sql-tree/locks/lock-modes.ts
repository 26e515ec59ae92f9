/** The modes of a lock on a table, from the weakest to the strongest, as LOCK TABLE names them. */
export const LOCK_MODES = [
  "ACCESS SHARE",
  "ROW SHARE",
  "ROW EXCLUSIVE",
  "SHARE UPDATE EXCLUSIVE",
  "SHARE",
  "SHARE ROW EXCLUSIVE",
  "EXCLUSIVE",
  "ACCESS EXCLUSIVE",
] as const;

export type LockMode = (typeof LOCK_MODES)[number];

// The table "Conflicting Lock Modes" of PostgreSQL's documentation, chapter 13.3.
const WEAKEST_CONFLICT: Readonly<Record<LockMode, LockMode>> = {
  "ACCESS SHARE": "ACCESS EXCLUSIVE",
  "ROW SHARE": "EXCLUSIVE",
  "ROW EXCLUSIVE": "SHARE",
  "SHARE UPDATE EXCLUSIVE": "SHARE UPDATE EXCLUSIVE",
  SHARE: "ROW EXCLUSIVE",
  "SHARE ROW EXCLUSIVE": "ROW EXCLUSIVE",
  EXCLUSIVE: "ROW SHARE",
  "ACCESS EXCLUSIVE": "ACCESS SHARE",
};

export function rankOf(mode: LockMode): number {
  return LOCK_MODES.indexOf(mode);
}

/** The modes of other sessions that one of this mode waits for, and that then wait for it. */
export function conflictsOf(mode: LockMode): readonly LockMode[] {
  const from = rankOf(WEAKEST_CONFLICT[mode]);
  // SHARE is the one that does not conflict with itself.
  return LOCK_MODES.slice(from).filter((other) => mode !== "SHARE" || other !== "SHARE");
}

/** A mode as `pg_locks` names it: `AccessExclusiveLock`. */
export function serverModeOf(mode: LockMode): string {
  const words = mode.split(" ").map((word) => word[0] + word.slice(1).toLowerCase());
  return `${words.join("")}Lock`;
}

/** By their numbers in the server, from 1. */
export function modeOfNumber(number: number): LockMode | undefined {
  return LOCK_MODES[number - 1];
}

/** Whether others' writes wait for a lock of this mode. */
export function stopsWrites(mode: LockMode): boolean {
  return rankOf(mode) >= rankOf("SHARE");
}
