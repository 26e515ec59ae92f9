import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { withoutBom } from "../base/files.ts";
import { MigrateError, parseMigration } from "../migrate/index.ts";
import { nameText } from "./names.ts";
import type { FullName } from "./types.ts";

interface SnapshotColumn {
  readonly type: string;
  readonly typeSchema?: string;
}

/** What is read of a snapshot of drizzle-kit 0.31; an older one has left out what it did not know. */
interface Snapshot {
  readonly tables: Record<string, { schema: string; columns: Record<string, SnapshotColumn> }>;
  readonly enums: Record<string, { schema: string }>;
  readonly sequences: Record<string, { schema: string }>;
  readonly views: Record<string, { schema: string; isExisting?: boolean }>;
  readonly schemas: Record<string, string>;
}

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
 * makes, or an older migration needed already, is taken for there.
 */
export async function undeclaredWarnings(migration: {
  readonly before: string | undefined;
  readonly after: string;
  readonly trees: readonly unknown[];
  /** Path of the folder, and the migrations in it. */
  readonly path: string;
  readonly tags: readonly string[];
}): Promise<readonly string[]> {
  const { before, after, trees, path, tags } = migration;
  const now = neededBy(parsed(after));
  const then = before === undefined ? [] : neededBy(parsed(before));
  const known = new Set(then.map(keyOf));
  const { sequences } = parsed(after);
  const drawn = trees
    .flatMap(drawnSequences)
    .filter((name) => !(`${name[0]}.${name[1]}` in sequences))
    .map((name): Needed => ({ kind: "sequence", name }));
  const missing = [...now, ...drawn].filter((needed) => !known.has(keyOf(needed)));
  if (missing.length === 0) return [];
  const made = new Set<string>(trees.flatMap(madeBy).map(keyOf));
  for (const tag of tags) {
    for (const tree of await treesOf(join(path, `${tag}.sql`), tag)) {
      for (const needed of madeBy(tree)) made.add(keyOf(needed));
    }
  }
  const names = new Map(missing.map((needed) => [keyOf(needed), needed]));
  return [...names.values()]
    .filter((needed) => !made.has(keyOf(needed)))
    .map(
      ({ kind, name }) =>
        `nothing makes the ${kind} ${nameText(name)}, which this migration needs. Where a ${MAKERS[kind]} of that name stands in the schema, export it, and generate anew; or make it in a migration before this one`,
    );
}

function parsed(text: string): Snapshot {
  const left = { tables: {}, enums: {}, sequences: {}, views: {}, schemas: {} };
  return { ...left, ...(JSON.parse(withoutBom(text)) as Partial<Snapshot>) };
}

function keyOf({ kind, name }: Needed): string {
  return JSON.stringify([kind, ...name]);
}

/** What a snapshot uses without declaring it. */
function neededBy({ tables, enums, sequences, views, schemas }: Snapshot): readonly Needed[] {
  const declared = new Set(["public", "", ...Object.values(schemas)]);
  const objects = [tables, enums, sequences]
    .flatMap((group): { schema: string }[] => Object.values(group))
    .concat(Object.values(views).filter(({ isExisting }) => !isExisting));
  const used = new Set(objects.map(({ schema }) => schema));
  const types = Object.values(tables)
    .flatMap(({ columns }) => Object.values(columns))
    .flatMap(({ type, typeSchema }) =>
      typeSchema === undefined ? [] : [[typeSchema, type.replace(/(\[\d*\])+$/, "")] as const],
    )
    .filter(([schema, name]) => !(`${schema}.${name}` in enums));
  return [
    ...[...used]
      .filter((schema) => schema && !declared.has(schema))
      .map((schema): Needed => ({ kind: "schema", name: [schema] })),
    ...types.map((name): Needed => ({ kind: "enum", name })),
  ];
}

async function treesOf(file: string, tag: string): Promise<readonly unknown[]> {
  try {
    const statements = await parseMigration({ tag, file, sql: await readFile(file, "utf8") });
    return statements.map(({ tree }) => tree);
  } catch (error) {
    // An old file that no run would take: what it makes is not known.
    if (error instanceof MigrateError) return [];
    throw error;
  }
}

interface Named {
  readonly schemaname?: string;
  readonly relname?: string;
}

/** What a statement makes, as far as it is asked for here. */
function madeBy(tree: unknown): readonly Needed[] {
  const { CreateSchemaStmt, CreateEnumStmt, CreateSeqStmt } = tree as {
    CreateSchemaStmt?: { schemaname?: string };
    CreateEnumStmt?: { typeName?: readonly { String?: { sval?: string } }[] };
    CreateSeqStmt?: { sequence?: Named };
  };
  if (CreateSchemaStmt?.schemaname !== undefined)
    return [{ kind: "schema", name: [CreateSchemaStmt.schemaname] }];
  if (CreateEnumStmt !== undefined) {
    const name = (CreateEnumStmt.typeName ?? []).map(({ String: part }) => part?.sval ?? "");
    return [{ kind: "enum", name: name.length === 1 ? ["public", ...name] : name }];
  }
  if (CreateSeqStmt?.sequence !== undefined) {
    const { schemaname = "public", relname = "" } = CreateSeqStmt.sequence;
    return [{ kind: "sequence", name: [schemaname, relname] }];
  }
  return [];
}

/** Sequences that `nextval('…')` names, anywhere in a statement. */
function drawnSequences(tree: unknown): readonly FullName[] {
  if (typeof tree !== "object" || tree === null) return [];
  const found = Object.values(tree).flatMap(drawnSequences);
  const { FuncCall } = tree as {
    FuncCall?: { funcname?: readonly { String?: { sval?: string } }[]; args?: readonly unknown[] };
  };
  if (FuncCall?.funcname?.at(-1)?.String?.sval !== "nextval") return found;
  const text = /"sval":("(?:[^"\\]|\\.)*")/.exec(JSON.stringify(FuncCall.args?.[0] ?? null))?.[1];
  const name = text === undefined ? undefined : regclassName(JSON.parse(text) as string);
  return name === undefined ? found : [...found, name];
}

/** As PostgreSQL reads a name in a text: without quotes in small letters. */
function regclassName(text: string): FullName | undefined {
  const parts = [...text.matchAll(/"((?:[^"]|"")*)"|([^".\s]+)/g)].map(
    ([, quoted, bare = ""]) => quoted?.replaceAll('""', '"') ?? bare.toLowerCase(),
  );
  if (parts.length === 1) return ["public", ...parts];
  return parts.length === 2 ? parts : undefined;
}
