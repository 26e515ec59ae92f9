import type { Layout, Tag } from "../types.ts";

/** Name of a migration's file, within the folder. */
export function sqlFileOf(tag: Tag, layout: Layout): string {
  return `${stemOf(tag, layout)}.sql`;
}

/** Name of a migration's down file, within the folder. */
export function downFileOf(tag: Tag, layout: Layout): string {
  return `${stemOf(tag, layout)}${DOWN}`;
}

/** Names that a migration's file of code may have, within the folder. */
export function codeFilesOf(tag: Tag, layout: Layout): readonly string[] {
  const stem = layout === "0.x" ? tag : `${tag}/step`;
  return CODE_ENDINGS.map((ending) => stem + ending);
}

/** Name of a migration's code step as it is written new, within the folder. */
export function stepFileOf(tag: Tag, layout: Layout): string {
  return layout === "0.x" ? `${tag}.ts` : `${tag}/step.ts`;
}

/** Name of the schema that a code step sees, within the folder. */
export function schemaFileOf(tag: Tag, layout: Layout): string {
  return layout === "0.x" ? `${tag}.schema.ts` : `${tag}/schema.ts`;
}

/** How the name of a file of code ends. */
export const CODE_ENDINGS = [".ts", ".mts", ".js", ".mjs"] as const;

/** How the name of a down file ends, in both layouts. */
export const DOWN = ".down.sql";

function stemOf(tag: Tag, layout: Layout): string {
  return layout === "0.x" ? tag : `${tag}/migration`;
}

/** Whether a name is like those that drizzle-kit 1.x gives its folders: a time first. */
export function isFolderTag(name: string): boolean {
  return /^\d{14}(_|$)/.test(name);
}

/** The time in the name of a 1.x folder, as drizzle reads it: `YYYYMMDDHHMMSS`, in UTC. */
export function timeOfFolder(tag: Tag): number | undefined {
  const parts = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)/.exec(tag)?.slice(1).map(Number);
  if (parts === undefined) return undefined;
  const [year = 0, month = 0, day, hour, minute, second] = parts;
  return Date.UTC(year, month - 1, day, hour, minute, second);
}
