/** What became of a statement whose end was not recorded. */
import type { ObjectState, UnderWay } from "../../ledger-types.ts";
export type Verdict =
  /** It was done. */
  | { readonly kind: "done" }
  /** It must be run, after these statements, which clear away what it left. */
  | { readonly kind: "run"; readonly clear: readonly Clearing[] }
  /** This ends what it has begun. */
  | { readonly kind: "finish"; readonly sql: string }
  /** The catalog does not tell. */
  | { readonly kind: "unknown"; readonly reason: string };

export interface Clearing {
  /** A statement outside transactions. */
  readonly sql: string;
  /** What it takes away, for messages. */
  readonly what: string;
}

const RUN: Verdict = { kind: "run", clear: [] };

/**
 * Compares the state before a statement with the state now. All that could have changed it
 * in between is that statement, or a person.
 */
export function judgeInterrupted(
  { action, before }: Pick<UnderWay, "action" | "before">,
  now: ObjectState,
): Verdict {
  if (action.kind === "opaque") {
    return {
      kind: "unknown",
      reason: "it leaves no trace that shows whether it was done",
    };
  }
  if (before.kind === "create-index" && now.kind === "create-index") {
    return judgeBuild(before, now);
  }
  if (before.kind === "drop-index" && now.kind === "drop-index") return judgeDrop(before, now);
  if (before.kind === "reindex" && now.kind === "reindex") {
    const known = new Set(before.leftovers.map(({ oid }) => oid));
    const clear = now.leftovers
      .filter(({ oid }) => !known.has(oid))
      .map(({ name }) => dropOf(name));
    return { kind: "run", clear };
  }
  if (action.kind === "detach" && before.kind === "detach" && now.kind === "detach") {
    // One that was no partition before either is for the server to refuse.
    if (now.attached === "no") return before.attached === "no" ? RUN : { kind: "done" };
    if (now.attached === "yes") return RUN;
    const sql = `alter table ${action.table} detach partition ${action.partition} finalize`;
    return { kind: "finish", sql };
  }
  return RUN;
}

type Build = Extract<ObjectState, { kind: "create-index" }>;
type Drop = Extract<ObjectState, { kind: "drop-index" }>;

function judgeBuild(before: Build, now: Build): Verdict {
  const { found } = now;
  // One that was there before is not what the statement made: it runs, and the server says what it says.
  if (found === null || found.oid === before.found?.oid || found.relkind !== "i") return RUN;
  if (!found.valid) return { kind: "run", clear: [dropOf(found.name)] };
  const isOurs = before.wanted === null || found.definition === before.wanted;
  return isOurs && found.table === now.table ? { kind: "done" } : RUN;
}

function judgeDrop(before: Drop, now: Drop): Verdict {
  if (now.found === null) return before.found === null ? RUN : { kind: "done" };
  if (before.found === null || before.found.oid === now.found.oid) return RUN;
  return {
    kind: "unknown",
    reason: "it drops an index, and another index has that name now",
  };
}

function dropOf(name: string): Clearing {
  return { sql: `drop index concurrently if exists ${name}`, what: `INVALID index ${name}` };
}

/**
 * Why a statement that the server has reported as done is not done; undefined where it is. An index that ends
 * INVALID, or a name that another definition had before, is a failure whatever the server said.
 */
export function judgeEnd(before: ObjectState, now: ObjectState): string | undefined {
  if (now.kind === "create-index" && before.kind === "create-index") {
    return buildProblem(before, now);
  }
  if (now.kind === "drop-index" && now.found !== null && before.kind === "drop-index") {
    return before.found?.oid === now.found.oid ? "the index is still there" : undefined;
  }
  if (now.kind === "detach" && now.attached !== "no") {
    return `the partition is ${now.attached === "yes" ? "still attached" : "half detached"}`;
  }
  return undefined;
}

function buildProblem({ wanted, found: old }: Build, { found, table }: Build): string | undefined {
  if (found === null) return "the index is not there";
  if (found.relkind !== "i") return "its name belongs to something that is not an index";
  if (!found.valid) {
    const since = old?.oid === found.oid ? ", and it already was before" : "";
    return `the index is INVALID (kept up to date and never used)${since}`;
  }
  if (found.table !== table) return "an index of that name already existed, on another table";
  if (found.definition === wanted) return undefined;
  if (wanted === null) {
    return old?.oid === found.oid
      ? `an index of that name already existed; whether it is the same could not be checked (that takes the right to create temporary tables):\n  there:  ${found.definition}`
      : undefined;
  }
  return `an index of that name already existed, with another definition:\n  there:  ${found.definition}\n  wanted: ${wanted}`;
}

/** What a failed statement has left, as a sentence. */
export function leftBehind({ label, action, before }: UnderWay, now: ObjectState): string {
  const verdict = judgeInterrupted({ action, before }, now);
  const left = verdict.kind === "run" ? verdict.clear.map(({ what }) => what) : [];
  if (left.length > 0) return `${label} left an ${left.join(", ")}: the next run drops it first.`;
  if (action.kind === "opaque") {
    return "It ran outside a transaction: whatever it committed stays.";
  }
  if (verdict.kind === "finish") return `${label} is half done: the next run finishes it.`;
  if (before.kind === "create-index" && before.found?.valid === false) {
    const { name } = before.found;
    return `${name} was already there, INVALID: drop it (drop index concurrently ${name}), then run again.`;
  }
  return `${label} left nothing behind.`;
}
