import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { draftMigration, parseRenames, type RenameFlags } from "../../src/db/kit/index.ts";
import { schemaAt } from "../../src/db/kit/snapshot-states.ts";
import { endsOf, parseSnapshot, type Row, type Snapshot } from "../../src/db/kit/snapshots.ts";
import { createKitProject, type KitProject } from "../helpers/kit-project.ts";

/** What drizzle-kit itself makes of the snapshots of a folder. */
type Reconstruct = (files: Record<string, unknown>, id: string) => Promise<{ ddl: readonly Row[] }>;
const { reconstruct } = createRequire(resolve("test/drizzle-1/package.json"))(
  "drizzle-kit/api-postgres",
) as { reconstruct: Reconstruct };

function read(path: string, text: string): Snapshot {
  const snapshot = parseSnapshot(path, text);
  if (typeof snapshot === "string") throw new Error(`${path}: ${snapshot}`);
  return snapshot;
}

async function snapshotsOf(here: KitProject): Promise<readonly Snapshot[]> {
  const files = Object.entries(await here.files());
  return files
    .filter(([path]) => path.endsWith("/snapshot.json"))
    .map(([path, text]) => read(path, text));
}

/** The schema that drizzle-kit puts together for a snapshot, read as one that holds all of it. */
async function expected(here: KitProject, id: string) {
  const files = Object.entries(await here.files()).filter(([path]) => path.endsWith(".json"));
  const raw = Object.fromEntries(
    files.map(([path, text]) => [path.split("/")[0], JSON.parse(text)]),
  );
  const { ddl } = await reconstruct(raw, id);
  return schemaAt([{ path: "", id, prevIds: [], body: { kind: "rows", rows: ddl } }], []);
}

/** Generates the next migration as the schema says. */
async function generate(
  here: KitProject,
  body: string,
  name: string,
  flags: RenameFlags = {},
): Promise<void> {
  await here.schema(body);
  const draft = await draftMigration({
    ...{ cwd: here.root, config: join(here.root, "drizzle.config.ts"), dir: "drizzle", name },
    answers: { renames: parseRenames(flags, []), others: "drop-and-add" },
    sumFile: "ignore",
  });
  if (draft.kind !== "drafted") throw new Error(draft.kind);
  await draft.keep();
}

const START = `
export const app = pgSchema("app");
export const mood = app.enum("mood", ["sad", "ok"]);
export const no = pgSequence("order_no");
export const users = app.table("users", { id: integer(), name: text(), mood: mood(), moods: mood().array() });
export const names = pgView("names", { name: text() }).as(sql\`select name from app.users\`);
`;

test("a schema is put together from a first snapshot and what follows it, as drizzle-kit does", async () => {
  const here = await createKitProject(undefined, undefined, { kit: "1.x" });
  onTestFinished(here.remove);
  await generate(here, START, "first");
  const moved = START.replace('pgSchema("app")', 'pgSchema("core")')
    .replace('"mood"', '"feeling"')
    .replace('"sad", "ok"', '"sad", "ok", "happy"')
    .replace("app.users", "core.people")
    .replace('"users"', '"people"')
    .replace("name: text()", "full_name: text()")
    .replace('"order_no"', '"invoice_no"');
  await generate(here, moved.replace("select name", "select full_name as name"), "moved", {
    ...{
      schema: ["app=core"],
      enum: ["core.mood=core.feeling"],
      sequence: ["order_no=invoice_no"],
    },
    ...{ table: ["core.users=people"], column: ["core.people.name=full_name"] },
  });
  await generate(
    here,
    `${moved.replace(/export const names.*/, "").replace("moods:", "all:")}
    export const t = pgTable("t", { id: integer() });`,
    "more",
  );
  const snapshots = await snapshotsOf(here);
  expect(snapshots.map(({ body }) => body.kind)).toEqual(["rows", "deltas", "deltas"]);
  for (const [index, snapshot] of snapshots.entries()) {
    const schema = schemaAt([snapshot], snapshots);
    expect(schema, snapshot.path).toEqual(await expected(here, snapshot.id));
    expect(Object.keys(schema.tables ?? {})[0]).toBe(index === 0 ? "app.users" : "core.people");
  }
  const last = schemaAt(endsOf(snapshots), snapshots);
  expect(last.tables?.["core.people"]?.columns).toEqual({
    id: { type: "integer" },
    full_name: { type: "text" },
    mood: { type: "feeling", typeSchema: "core" },
    all: { type: "feeling", typeSchema: "core" },
  });
  expect(last.enums).toEqual({
    "core.feeling": { schema: "core", name: "feeling", values: ["sad", "ok", "happy"] },
  });
});

const USERS = `export const users = pgTable("users", { id: integer(), name: text() });\n`;
const ORGS = `export const orgs = pgTable("orgs", { id: integer() });\n`;

test("the branches of a folder are put together, and so is what joins them, as drizzle-kit does", async () => {
  const [here, there] = await Promise.all(
    [1, 2].map(() => createKitProject(undefined, undefined, { kit: "1.x" })),
  );
  if (here === undefined || there === undefined) throw new Error("no project");
  onTestFinished(here.remove);
  onTestFinished(there.remove);
  await generate(here, USERS, "first");
  await there.continueFrom(here);
  await generate(there, USERS.replace("users", "people").replace('"users"', '"people"'), "theirs", {
    table: ["users=people"],
  });
  await generate(here, `${USERS}${ORGS}`, "mine");
  for (const [file, text] of Object.entries(await there.files())) {
    if (!file.endsWith(".sum")) await here.write(`drizzle/${file}`, text);
  }
  const open = await snapshotsOf(here);
  const ends = endsOf(open);
  expect(ends).toHaveLength(2);
  expect(Object.keys(schemaAt(ends, open).tables ?? {}).toSorted()).toEqual([
    "public.orgs",
    "public.people",
  ]);
  await generate(
    here,
    `${USERS.replace('"users"', '"people"').replace("name: text()", "")}${ORGS}`,
    "joined",
  );
  const joined = await snapshotsOf(here);
  const [end, ...others] = endsOf(joined);
  if (end === undefined) throw new Error("no end");
  expect(others).toEqual([]);
  expect(end.prevIds).toEqual(ends.map(({ id }) => id));
  expect(schemaAt([end], joined)).toEqual(await expected(here, end.id));
});
