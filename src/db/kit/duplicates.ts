import { relative } from "node:path";
import { MigrateError } from "../migrate/index.ts";
import type { SchemaExport } from "./hook.ts";
import { nameText } from "./names.ts";

export interface SchemaFile {
  readonly file: string;
  readonly exports: readonly SchemaExport[];
}

/**
 * Refuses a schema that defines something twice: drizzle-kit takes the last table, in silence. An
 * object that is exported again, by an index for one, is the same.
 *
 * @throws MigrateError `config`, with every name and its files
 */
export function refuseDuplicates(files: readonly SchemaFile[], cwd: string): void {
  const places = new Map<string, Map<number, string[]>>();
  for (const { file, exports } of files) {
    for (const { kind, schema, name, as, identity } of exports) {
      const what = `${kind} ${nameText([schema, name])}`;
      const found = places.get(what) ?? new Map<number, string[]>();
      places.set(what, found);
      const exportedBy = found.get(identity) ?? [];
      found.set(identity, exportedBy);
      exportedBy.push(`${relative(cwd, file)} (${as})`);
    }
  }
  const problems = [...places]
    .filter(([, found]) => found.size > 1)
    .map(
      ([what, found]) =>
        `  ${what}: ${[...found.values()].map((list) => list.join(" = ")).join(", ")}`,
    );
  if (problems.length === 0) return;
  throw new MigrateError({
    code: "config",
    fact: `The schema defines a name more than once:\n${problems.join("\n")}`,
    outcome: "nothing-written",
    remedy: "drizzle-kit would silently take one of them. Keep one, and import it elsewhere.",
  });
}
