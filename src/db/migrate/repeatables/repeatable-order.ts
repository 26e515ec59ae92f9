import { MigrateError } from "../errors.ts";
import type { MadeObject, SqlName } from "../repeatable-types.ts";
import type { Tag } from "../types.ts";
import { mayBeThere, namesOfMade } from "./given-names.ts";
import { labelOf } from "./made-objects.ts";
import { mayBeSame } from "./sql-names.ts";
import type { UsedName } from "./used-names.ts";

/** What a repeatable makes and uses. */
export interface Needs {
  readonly tag: Tag;
  readonly file: string;
  readonly makes: readonly MadeObject[];
  /** Names of what it makes beside that: schemas, roles, types, operators, aggregates, sequences. */
  readonly gives: readonly SqlName[];
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
  const givers = giversOf(all);
  const needs = new Map(all.map((one) => [one.tag, neededBy(one, givers)]));
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
      circleFrom(waiting, needs).find((tag) => isFree(tag, ["early"])) ??
      waiting.find((tag) => isFree(tag, ["early"]));
    const one = next === undefined ? undefined : left.get(next);
    if (one === undefined) throw circle(waiting, needs, all);
    left.delete(one.tag);
    order.push(one);
  }
  return order;
}

/** Some that wait for each other, in the order of their names, where each waits for one. */
function circleFrom(
  waiting: readonly Tag[],
  needs: ReadonlyMap<Tag, ReadonlyMap<Tag, Strength>>,
): readonly Tag[] {
  const path: Tag[] = [];
  let [tag] = waiting;
  while (tag !== undefined && !path.includes(tag)) {
    path.push(tag);
    const unmet = [...(needs.get(tag) ?? [])].filter(([other]) => waiting.includes(other));
    [tag] = unmet.find(([, how]) => how === "early") ?? unmet[0] ?? [];
  }
  return tag === undefined ? [] : path.slice(path.indexOf(tag)).toSorted();
}

/** Who gives a name, by its last part. */
type Givers = ReadonlyMap<string | undefined, readonly { tag: Tag; name: SqlName }[]>;

function giversOf(all: readonly Needs[]): Givers {
  const givers = new Map<string | undefined, { tag: Tag; name: SqlName }[]>();
  for (const { tag, makes, gives } of all) {
    for (const name of [...makes.flatMap(namesOfMade), ...gives]) {
      const same = givers.get(name.at(-1));
      if (same === undefined) givers.set(name.at(-1), [{ tag, name }]);
      else same.push({ tag, name });
    }
  }
  return givers;
}

/** The repeatables that one needs. */
function neededBy(one: Needs, givers: Givers): ReadonlyMap<Tag, Strength> {
  const found = new Map<Tag, Strength>();
  const routines = one.makes.flatMap((made) => (made.kind === "routine" ? [made.name] : []));
  for (const { name, isLate } of one.uses) {
    const given = (givers.get(name.at(-1)) ?? []).filter((other) => mayBeSame(other.name, name));
    const isOwn = given.some(({ tag }) => tag === one.tag);
    // Another's may be meant where it makes a function of that name, with other arguments.
    if (isOwn && !routines.some((own) => mayBeSame(own, name))) continue;
    for (const { tag } of given) {
      if (tag === one.tag || found.get(tag) === "early") continue;
      found.set(tag, isLate || isOwn || mayBeThere(name) ? "late" : "early");
    }
  }
  return found;
}

function refuseTwoMakers(all: readonly Needs[]): void {
  const makers = new Map<string, Needs>();
  for (const one of all) {
    for (const label of new Set(one.makes.filter(({ kind }) => kind !== "indexes").map(labelOf))) {
      const key = label.replace(/(^| on )public\./, "$1");
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
