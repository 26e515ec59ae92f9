import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { readText } from "../base/files.ts";
import { type Draft, draftMigration, exportSchema, type KitProject } from "../kit/index.ts";
import { isSnapshot, snapshotOf } from "../kit/snapshots.ts";
import { type Layout, MigrateError } from "../migrate/index.ts";
import { withStage } from "./stage.ts";

/** What drizzle-kit says of the new folder. */
export type SchemaLook =
  /** It would still write these statements; none if the newest snapshot is the schema. */
  | { readonly kind: "read"; readonly left: readonly string[] }
  /** It was not asked, or could not say. */
  | { readonly kind: "unread"; readonly reason: string };

// Whether something was renamed does not matter: what it writes is not kept.
const ANSWERS = { renames: [], others: "drop-and-add" } as const;

type Files = ReadonlyMap<string, string>;

/** Lets drizzle-kit compare the Drizzle schema with the newest snapshot of a folder. */
export async function lookAtSchema(
  project: KitProject,
  shown: string,
  files: Files,
): Promise<SchemaLook> {
  try {
    const draft = await withStage(shown, files, (dir) => draftIn(project, dir, false));
    const left = draft.kind === "nothing" ? [] : draft.statements;
    return { kind: "read", left };
  } catch (error) {
    if (!(error instanceof MigrateError) || error.code === "canceled") throw error;
    return { kind: "unread", reason: error.fact };
  }
}

function draftIn(project: KitProject, dir: string, custom: boolean): Promise<Draft> {
  return draftMigration({ ...project, dir, custom, answers: ANSWERS, sumFile: "ignore" });
}

/** The statements that make the Drizzle schema in an empty database. */
export const schemaStatements = exportSchema;

/**
 * The snapshot that drizzle-kit makes of the Drizzle schema, behind those of a folder.
 *
 * @param shown the folder, as errors name it
 * @param id the id that it gets
 */
export async function snapshotOfSchema(
  project: KitProject,
  shown: string,
  files: Files,
  { layout, id }: { readonly layout: Layout; readonly id: string },
): Promise<string> {
  return withStage(shown, files, async (dir) => {
    const changed = await draftIn(project, dir, false);
    const draft = changed.kind === "nothing" ? await draftIn(project, dir, true) : changed;
    if (draft.kind !== "drafted") throw new Error(`drizzle-kit has drafted nothing: ${draft.kind}`);
    await draft.keep();
    const path =
      layout === "1.x"
        ? snapshotOf(draft.tag)
        : (await readdir(join(dir, "meta")))
            .map((name) => `meta/${name}`)
            .find((name) => isSnapshot(name) && !files.has(name));
    const text = await readText(join(dir, path ?? ""));
    return JSON.stringify({ ...(JSON.parse(text) as object), id }, null, 2);
  });
}
