import { MigrateError } from "../errors.ts";
import type { MadeObject, SqlName } from "../repeatable-types.ts";
import type { Tag } from "../types.ts";
import { labelOf } from "./made-objects.ts";
import { mayBeSame } from "./sql-names.ts";
import type { UsedName } from "./used-names.ts";

/** What a repeatable makes and uses. */
export interface Needs {
  readonly tag: Tag;
  readonly file: string;
  readonly makes: readonly MadeObject[];
  readonly uses: readonly UsedName[];
}

/** `late`: only when it is used, not when it is made. */
type Strength = "early" | "late";

/**
 * Puts repeatables in the order of what they need; where that leaves a choice, of their names. What only the body of
 * a PL/pgSQL function needs is put before it too, where nothing else speaks against that.
 *
 * @throws MigrateError `history_invalid`, naming the circle, or what two of them make
 */
export function inOrder<T extends Needs>(all: readonly T[]): readonly T[] {
  refuseTwoMakers(all);
  const left = new Map(all.map((one) => [one.tag, one]));
  const needs = new Map(all.map((one) => [one.tag, neededBy(one, all)]));
  const order: T[] = [];
  const isFree = (tag: Tag, strengths: readonly Strength[]) =>
    [...(needs.get(tag) ?? [])].every(
      ([other, how]) => !left.has(other) || !strengths.includes(how),
    );
  const tags = all.map(({ tag }) => tag).toSorted();
  while (left.size > 0) {
    const waiting = tags.filter((tag) => left.has(tag));
    const next =
      waiting.find((tag) => isFree(tag, ["early", "late"])) ??
      waiting.find((tag) => isFree(tag, ["early"]));
    const one = next === undefined ? undefined : left.get(next);
    if (one === undefined) throw circle(waiting, needs, all);
    left.delete(one.tag);
    order.push(one);
  }
  return order;
}

/** The repeatables that one needs. */
function neededBy(one: Needs, all: readonly Needs[]): ReadonlyMap<Tag, Strength> {
  const found = new Map<Tag, Strength>();
  const own = one.makes.flatMap(nameMade);
  for (const { name, isLate } of one.uses) {
    if (own.some((made) => mayBeSame(made, name))) continue;
    for (const other of all) {
      if (other.tag === one.tag || found.get(other.tag) === "early") continue;
      if (!other.makes.flatMap(nameMade).some((made) => mayBeSame(made, name))) continue;
      found.set(other.tag, isLate ? "late" : "early");
    }
  }
  return found;
}

function nameMade(made: MadeObject): readonly SqlName[] {
  return made.kind === "relation" || made.kind === "routine" ? [made.name] : [];
}

function refuseTwoMakers(all: readonly Needs[]): void {
  const makers = new Map<string, Needs>();
  for (const one of all) {
    for (const label of new Set(one.makes.filter(({ kind }) => kind !== "indexes").map(labelOf))) {
      const key = label.replace(/^public\./, "");
      const other = makers.get(key);
      if (other !== undefined) {
        throw new MigrateError({
          code: "history_invalid",
          tag: one.tag,
          fact: `Both ${other.file} and ${one.file} make ${label}.`,
          outcome: "nothing-run",
          remedy: "Each would undo the other's: leave it in one of them.",
        });
      }
      makers.set(key, one);
    }
  }
}

function circle(
  waiting: readonly Tag[],
  needs: ReadonlyMap<Tag, ReadonlyMap<Tag, Strength>>,
  all: readonly Needs[],
): MigrateError {
  const path: Tag[] = [];
  let tag = waiting[0];
  while (tag !== undefined && !path.includes(tag)) {
    path.push(tag);
    const early = [...(needs.get(tag) ?? [])].filter(([, how]) => how === "early");
    tag = early.map(([other]) => other).find((other) => waiting.includes(other));
  }
  const round = tag === undefined ? path : [...path.slice(path.indexOf(tag)), tag];
  const [first] = round;
  return new MigrateError({
    code: "history_invalid",
    ...(first !== undefined && { tag: first }),
    fact: `Repeatables need each other in a circle: ${round.join(" needs ")}.`,
    outcome: "nothing-run",
    remedy: `Put what ${round.length > 2 ? "they make" : "it makes"} into one file, or break the circle. The files: ${all
      .filter(({ tag: own }) => round.includes(own))
      .map(({ file }) => file)
      .join(", ")}.`,
  });
}
