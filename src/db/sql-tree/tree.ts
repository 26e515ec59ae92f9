import type { ColumnRef, Node, RangeVar } from "libpg-query";
import { withoutBom } from "../base/files.ts";
import { loadParser } from "../migrate/index.ts";

type KindsOf<Union> = Union extends unknown ? keyof Union : never;
type Kind = KindsOf<Node>;
type Wrapped<K extends Kind> = Extract<Node, Record<K, unknown>>;

/** What to read from a node of each kind. */
export type Readers<T> = {
  readonly [K in Kind]?: (body: Wrapped<K>[K & keyof Wrapped<K>]) => T;
};

/** A name as its parts, with the schema only where the SQL names it. */
export type Path = readonly string[];

/** The statements of a file; none where it does not parse: running it says what is wrong. */
export async function treesOf(sql: string): Promise<readonly Node[]> {
  const { parse } = await loadParser();
  try {
    // The binding takes neither an empty text nor one that holds only comments.
    return (parse(`${withoutBom(sql)}\n;select 1`).stmts ?? [])
      .flatMap(({ stmt }) => stmt ?? [])
      .slice(0, -1);
  } catch {
    return [];
  }
}

/** What the reader of its kind makes of a node; undefined for a kind without one. */
export function readNode<T>(node: Node, readers: Readers<T>): T | undefined {
  const [[kind, body] = []] = Object.entries(node);
  return (readers[kind as Kind] as ((body: unknown) => T) | undefined)?.(body);
}

/** All nodes and lists within a tree, each with the field it stands in. */
export function* nodesIn(tree: unknown): Generator<readonly [field: string, body: object]> {
  if (typeof tree !== "object" || tree === null) return;
  for (const [field, body] of Object.entries(tree)) {
    if (typeof body !== "object" || body === null) continue;
    yield [field, body];
    yield* nodesIn(body);
  }
}

/** Names of the columns in an expression. */
export function columnsIn(tree: unknown): readonly string[] {
  return [...nodesIn(tree)].flatMap(([field, body]) =>
    field === "ColumnRef" ? pathOfTexts((body as ColumnRef).fields).slice(-1) : [],
  );
}

export function pathOfTable({ schemaname, relname }: RangeVar): Path {
  return [schemaname, relname].filter((name) => name !== undefined);
}

export function pathOfTexts(items: readonly Node[] = []): Path {
  return items.flatMap((item) => ("String" in item ? (item.String.sval ?? []) : []));
}

/** The name of an object, in any of the forms in which statements hold one. */
export function pathOf(object: Node | undefined): Path {
  if (object === undefined) return [];
  if ("RangeVar" in object) return pathOfTable(object.RangeVar);
  return "List" in object ? pathOfTexts(object.List.items) : [];
}

/** As people write it. A name without a schema is found on the search path, which begins at `public`. */
export function shortName(path: Path): string {
  return (path[0] === "public" && path.length > 1 ? path.slice(1) : path).join(".");
}
