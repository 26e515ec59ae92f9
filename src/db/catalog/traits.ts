import type { Row } from "./connection.ts";
import type { IsGone } from "./deltas.ts";
import type { Difference } from "./difference.ts";
import { formatPath, type Path } from "./object-names.ts";
import { NAMES_QUERY, TRAIT_QUERIES } from "./traits-sql.ts";

/** A property of an object that pg-delta does not read. */
export interface Trait {
  readonly kind: string;
  readonly schema: string | null;
  /** As SQL writes it. */
  readonly name: string;
  readonly path: Path;
  /** The relation that holds it. */
  readonly within: Path;
  /** Null: the object itself; `value` is then its definition, if there is one. */
  readonly property: string | null;
  readonly value: string | null;
  readonly otherwise: string | null;
}

// In pg_toast, pg_temp and the like nothing belongs to a user.
const OF_THE_SERVER = /^(pg_|information_schema$)/;

export async function readTraits(
  query: (text: string) => Promise<readonly Row[]>,
): Promise<readonly Trait[]> {
  const relations = await query(EXTENSION_RELATIONS);
  const ofExtensions = new Set(relations.map(({ path }) => JSON.stringify(path)));
  const traits = (await query(ALL_TRAITS)) as unknown as readonly Omit<Trait, "name">[];
  const named = (await query(columnsOf(NAMES_QUERY))) as unknown as readonly Omit<Trait, "name">[];
  return [
    ...traits.map((trait) => ({ ...trait, name: formatPath(trait.path) })),
    ...named.map((trait) => ({ ...trait, name: trait.path.join(".") })),
  ].filter(
    ({ schema, within }) =>
      !(schema !== null && OF_THE_SERVER.test(schema)) && !ofExtensions.has(JSON.stringify(within)),
  );
}

const EXTENSION_RELATIONS = `select array[n.nspname, c.relname]::text[] as path
  from pg_depend d join pg_class c on c.oid = d.objid join pg_namespace n on n.oid = c.relnamespace
  where d.classid = 'pg_class'::regclass and d.deptype = 'e'`;

const ALL_TRAITS = TRAIT_QUERIES.map(columnsOf).join("\nunion all\n");

function columnsOf(query: string): string {
  return `select kind::text, schema::text, path::text[], within::text[],
    property::text, value::text, otherwise::text
  from (${query}) as t (kind, schema, path, within, property, value, otherwise)`;
}

/** Differences between the traits of both sides; none of objects that only one side has. */
export function compareTraits(
  expected: readonly Trait[],
  found: readonly Trait[],
  isGone: IsGone,
): readonly Difference[] {
  const wanted = new Map(expected.map((trait) => [keyOf(trait), trait]));
  const there = new Map(found.map((trait) => [keyOf(trait), trait]));
  const differences: Difference[] = [];
  for (const [key, trait] of new Map([...wanted, ...there])) {
    if (isWithinGone(trait, isGone)) continue;
    const difference = compareTrait(trait, wanted.get(key), there.get(key));
    if (difference !== undefined) differences.push(difference);
  }
  return differences;
}

function isWithinGone({ kind, schema, path, within }: Trait, isGone: IsGone): boolean {
  if (schema !== null && isGone("schema", [schema])) return true;
  return isGone(kind, path) || isGone("table", within);
}

function compareTrait(
  trait: Trait,
  wanted: Trait | undefined,
  there: Trait | undefined,
): Difference | undefined {
  const { kind, name, property, otherwise } = trait;
  const object = { kind, name, within: holdersOf(trait) };
  if (property === null && there === undefined) {
    return { ...object, change: "missing", expected: wanted?.value ?? undefined };
  }
  if (property === null && wanted === undefined) {
    return { ...object, change: "unexpected", found: there?.value ?? undefined };
  }
  const usual = otherwise ?? "none";
  const expected = wanted === undefined ? usual : (wanted.value ?? "none");
  const found = there === undefined ? usual : (there.value ?? "none");
  if (expected === found) return undefined;
  return { ...object, change: "different", property: property ?? "definition", expected, found };
}

function holdersOf({ schema, within, name }: Trait): readonly string[] {
  const table = formatPath(within);
  return [
    ...(schema === null ? [] : [formatPath([schema])]),
    ...(table === "" ? [] : [table]),
  ].filter((holder) => holder !== name);
}

function keyOf({ kind, path, property }: Trait): string {
  return JSON.stringify([kind, path, property]);
}
