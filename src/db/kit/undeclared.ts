import type { Node } from "libpg-query";
import { readIfThere } from "../base/files.ts";
import { madeBy } from "../sql-tree/made.ts";
import { nodesIn, pathOfTexts, treesOf } from "../sql-tree/tree.ts";
import { inSchema, nameText } from "./full-names.ts";
import type { FullName } from "./model.ts";
import type { SnapshotSchema } from "./snapshots.ts";

type Kind = "schema" | "enum" | "sequence";
interface Needed {
  readonly kind: Kind;
  readonly name: FullName;
}

const MAKERS: Readonly<Record<Kind, string>> = {
  schema: "pgSchema",
  enum: "pgEnum",
  sequence: "pgSequence",
};

/**
 * Warns of what a new migration needs and nothing makes: drizzle-kit writes no CREATE for a schema,
 * an enum or a sequence that the schema files use and do not export. What a file of the history
 * makes, or an older migration needed already, is assumed to exist.
 */
export async function undeclaredWarnings(migration: {
  readonly before: SnapshotSchema | undefined;
  readonly after: SnapshotSchema;
  readonly trees: readonly Node[];
  /** Paths of the older migrations. */
  readonly files: readonly string[];
}): Promise<readonly string[]> {
  const { before, after, trees, files } = migration;
  const { sequences = {} } = after;
  const drawn = drawnSequences(trees)
    .filter(([schema, name]) => !(`${schema}.${name}` in sequences))
    .map((name): Needed => ({ kind: "sequence", name }));
  const missing = new Map([...neededBy(after), ...drawn].map((needed) => [keyOf(needed), needed]));
  for (const needed of before === undefined ? [] : neededBy(before)) missing.delete(keyOf(needed));
  if (missing.size === 0) return [];
  // An old file that does not parse makes nothing that is known.
  const older = files.map(async (file) => treesOf((await readIfThere(file)) ?? ""));
  for (const { kind, path } of [trees, ...(await Promise.all(older))].flat().flatMap(madeBy)) {
    missing.delete(JSON.stringify([kind, ...fullName(kind, path)]));
  }
  return [...missing.values()].map(
    ({ kind, name }) =>
      `nothing makes the ${kind} ${nameText(name)}, which this migration needs. If the schema has a ${MAKERS[kind]} of that name, export it and generate again; otherwise make it in an earlier migration`,
  );
}

function keyOf({ kind, name }: Needed): string {
  return JSON.stringify([kind, ...name]);
}

function fullName(kind: string, path: FullName): FullName {
  return kind === "schema" || path.length > 1 ? path : inSchema(path);
}

/** What a snapshot uses without declaring it. */
function neededBy(schema: SnapshotSchema): readonly Needed[] {
  const { tables = {}, enums = {}, sequences = {}, views = {}, schemas = {} } = schema;
  const declared = new Set(["public", "", ...Object.values(schemas)]);
  const objects = [
    ...[tables, enums, sequences].flatMap((group): { schema: string }[] => Object.values(group)),
    ...Object.values(views).filter(({ isExisting }) => !isExisting),
  ];
  const used = new Set(objects.map(({ schema: name }) => name));
  const types = Object.values(tables)
    .flatMap(({ columns }) => Object.values(columns))
    .flatMap(({ type, typeSchema }) =>
      typeSchema === undefined ? [] : [[typeSchema, type.replace(/(\[\d*\])+$/, "")] as const],
    )
    .filter(([typeSchema, name]) => !(`${typeSchema}.${name}` in enums));
  return [
    ...[...used]
      .filter((name) => name && !declared.has(name))
      .map((name): Needed => ({ kind: "schema", name: [name] })),
    ...types.map((name): Needed => ({ kind: "enum", name })),
  ];
}

/** Sequences that `nextval('…')` names, anywhere in a statement. */
function drawnSequences(trees: readonly Node[]): readonly FullName[] {
  return [...nodesIn(trees)].flatMap(([field, body]) => {
    const { funcname, args } = body as { funcname?: Node[]; args?: readonly unknown[] };
    if (field !== "FuncCall" || pathOfTexts(funcname).at(-1) !== "nextval") return [];
    const [text] = [...nodesIn(args?.[0])].flatMap(([inner, value]) =>
      inner === "sval" ? ((value as { sval?: string }).sval ?? []) : [],
    );
    const name = text === undefined ? undefined : regclassName(text);
    return name === undefined ? [] : [name];
  });
}

/** As PostgreSQL reads a name in a text: what is not quoted is in lower case. */
function regclassName(text: string): FullName | undefined {
  const parts = [...text.matchAll(/"((?:[^"]|"")*)"|([^".\s]+)/g)].map(
    ([, quoted, bare = ""]) => quoted?.replaceAll('""', '"') ?? bare.toLowerCase(),
  );
  if (parts.length === 1) return inSchema(parts);
  return parts.length === 2 ? parts : undefined;
}
