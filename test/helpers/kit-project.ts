import { cp, readdir, readFile, symlink } from "node:fs/promises";
import { join, resolve } from "node:path";
import { createProject, type Project } from "./project.ts";

/** A project with drizzle-kit, and a schema to generate from. */
export interface KitProject extends Project {
  /** Writes the schema file: the body of a module that has all of pg-core at hand. */
  readonly schema: (body: string) => Promise<void>;
  /** Takes over the migrations of another project: a run of drizzle-kit less. */
  readonly continueFrom: (other: KitProject) => Promise<void>;
  /** Every file of the migrations folder, with its text; nothing where there is no folder. */
  readonly files: () => Promise<Readonly<Record<string, string>>>;
  /** Text of a file of the migrations folder. */
  readonly read: (file: string) => Promise<string>;
  /** Text of a file of the project; nothing where it is not there. */
  readonly readAt: (file: string) => Promise<string>;
}

const IMPORTS = `
import { sql } from "drizzle-orm";
import { index, integer, pgEnum, pgPolicy, pgRole, pgSchema, pgSequence, pgTable, pgTableCreator, pgView, serial, text, varchar } from "drizzle-orm/pg-core";
`;

export async function createKitProject(
  body?: string,
  config: object = { dialect: "postgresql", schema: "./schema.ts" },
  {
    withDown = false,
    kit = "0.31",
  }: {
    /** `generate` writes down files too: it takes a server each time. */
    readonly withDown?: boolean;
    readonly kit?: "0.31" | "1.x";
  } = {},
): Promise<KitProject> {
  const project = await createProject();
  const modules = join(project.root, "node_modules");
  const installed = kit === "1.x" ? "test/drizzle-1/node_modules" : "node_modules";
  await symlink(resolve(installed), modules);
  await project.write("drizzle.config.ts", `export default ${JSON.stringify(config)};`);
  const schema = (text: string) => project.write("schema.ts", `${IMPORTS}${text}`);
  if (body !== undefined) await schema(body);
  const read = (file: string) => readFile(join(project.root, "drizzle", file), "utf8");
  return {
    ...project,
    schema,
    read,
    run: ([command = "", ...args], ...rest) =>
      project.run(
        [command, ...args, ...(command === "generate" && !withDown ? ["--no-down"] : [])],
        ...rest,
      ),
    continueFrom: (other) =>
      cp(join(other.root, "drizzle"), join(project.root, "drizzle"), { recursive: true }),
    readAt: (file) => readFile(join(project.root, file), "utf8").catch(() => ""),
    files: async () => {
      const found = await readdir(join(project.root, "drizzle"), {
        recursive: true,
        withFileTypes: true,
      }).catch(() => []);
      const names = found
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name).slice(project.root.length + 9));
      return Object.fromEntries(
        await Promise.all(names.toSorted().map(async (name) => [name, await read(name)] as const)),
      );
    },
  };
}

/** A module like a schema file's, elsewhere in the project. */
export function schemaModule(body: string): string {
  return `${IMPORTS}${body}`;
}
