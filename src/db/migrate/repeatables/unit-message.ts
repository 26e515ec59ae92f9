import { beginForOthers, limits, ownSettings } from "../../connection/begin.ts";
import { leaveNothingBehind, MARKER, type Message, type Stage } from "../execute/transaction.ts";
import { fence } from "../lease/sql.ts";
import type { HeldRun } from "../run-types.ts";
import { resetsAll } from "../sql/made-settings.ts";
import type { Placed } from "../sql/statements.ts";
import type { Tag } from "../types.ts";
import type { FoundObject } from "./dependents.ts";
import { restoreOf } from "./give-back.ts";
import type { ParsedRepeatable } from "./parse-repeatables.ts";
import { dropOf, refuseMissing } from "./remake.ts";

/** Repeatables that share a transaction: one, and those that make what depends on what it makes. */
export interface Unit {
  /** In their order. */
  readonly parts: readonly ParsedRepeatable[];
  /** What is dropped first, in that order, and made again by the parts. */
  readonly remade: readonly FoundObject[];
}

/** A unit's message: each of its statements has a number, of all parts in their order. */
export interface UnitMessage extends Message {
  readonly partOf: (statement: number) => ParsedRepeatable | undefined;
}

/** Marker of what is dropped before the first statement. */
const DROPS = -1;

/**
 * The message that runs a unit and records it, in one fenced transaction. Each part runs as in a session of its own;
 * what an object had that was made again, it gets back right after the statement that makes it.
 *
 * @param at the part that the run is at, and which parts run with the text that ran last
 * @param end what runs after the statements, as ours
 */
export function unitMessage(
  run: HeldRun,
  { parts, remade }: Unit,
  {
    activity,
    isSameText,
  }: { readonly activity: string; readonly isSameText: (tag: Tag) => boolean },
  end: readonly string[],
): UnitMessage {
  const { serverVersion } = run.session;
  const { lockTimeoutMs } = run.lockPatience;
  const starts: number[] = [];
  const statements: Placed[] = [];
  const owners: ParsedRepeatable[] = [];
  const lines = (sql: readonly string[]) => sql.map((line) => `${line};\n`).join("");
  const settings = [limits(serverVersion, lockTimeoutMs), "set local search_path to default"];
  let text = lines([
    beginForOthers(serverVersion, lockTimeoutMs),
    fence(run, { activity }),
    "set local search_path to default",
    `select ${DROPS} as ${MARKER}`,
    ...remade.map(dropOf),
  ]);
  for (const [i, part] of parts.entries()) {
    if (i > 0) text += lines([...leaveNothingBehind(run.lease.direct), ...settings]);
    for (const [index, statement] of part.statements.entries()) {
      text += `select ${statements.length} as ${MARKER};\n`;
      starts.push(text.length);
      statements.push({ statement, index });
      owners.push(part);
      // The line end closes a comment after the statement.
      text += `${statement.text}\n;\n`;
      if (resetsAll(statement.tree)) text += `${limits(serverVersion, lockTimeoutMs)};\n`;
      const made = remade.filter(
        ({ maker }) => maker?.tag === part.tag && maker.statement === index,
      );
      text += lines(made.flatMap((found) => restoreOf(found, isSameText(part.tag)) ?? []));
    }
  }
  text += lines([
    `select ${statements.length} as ${MARKER}`,
    ...(remade.length === 0 ? [] : [refuseMissing(remade)]),
    "set constraints all immediate",
    ...leaveNothingBehind(run.lease.direct),
    ownSettings(serverVersion),
    `select ${statements.length + 1} as ${MARKER}`,
    ...end,
  ]);
  return { text: `${text}commit`, statements, starts, partOf: (number) => owners[number] };
}

/** The stage that the last marker seen stands for; `drops` where what is in the way is taken away. */
export function unitStage(
  { statements }: UnitMessage,
  marker: number | undefined,
): Stage | { readonly kind: "drops" } {
  if (marker === undefined) return { kind: "fence" };
  if (marker === DROPS) return { kind: "drops" };
  if (marker < statements.length) return { kind: "statement", index: marker };
  return { kind: marker === statements.length ? "constraints" : "record" };
}
