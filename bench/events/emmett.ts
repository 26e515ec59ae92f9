import { execFile } from "node:child_process";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";

const HOME = resolve(".tidemark/bench");
const PACKAGES = {
  "@event-driven-io/emmett": "0.42.0",
  "@event-driven-io/emmett-postgresql": "0.42.0",
  "@event-driven-io/pongo": "0.16.11",
};

/** The part of emmett-postgresql that the benchmark uses. */
export interface Emmett {
  readonly version: string;
  readonly getPostgreSQLEventStore: (url: string, options?: object) => EmmettStore;
  readonly postgreSQLRawBatchSQLProjection: (options: object) => unknown;
  /** Of its database layer. */
  readonly SQL: (texts: TemplateStringsArray, ...values: unknown[]) => unknown;
}

export interface EmmettStore {
  appendToStream(stream: string, events: readonly object[], options?: object): Promise<unknown>;
  consumer(options: object): {
    projector(options: object): unknown;
    start(): Promise<void>;
    close(): Promise<void>;
  };
  readonly schema: { migrate(): Promise<unknown> };
  close(): Promise<void>;
}

/** Installs it where it is not there yet: it is no dependency of the project's. */
export async function loadEmmett(): Promise<Emmett> {
  await mkdir(HOME, { recursive: true });
  const manifest = JSON.stringify({ private: true, dependencies: PACKAGES }, undefined, 2);
  const file = join(HOME, "package.json");
  const there = await readFile(file, "utf8").catch(() => undefined);
  if (there !== manifest) {
    await writeFile(file, manifest);
    const args = ["install", "--no-audit", "--no-fund", "--no-package-lock"];
    await promisify(execFile)("npm", args, { cwd: HOME });
  }
  const require = createRequire(file);
  const load = (name: string) => import(pathToFileURL(require.resolve(name)).href);
  const [store, dumbo] = await Promise.all([
    load("@event-driven-io/emmett-postgresql"),
    load("@event-driven-io/dumbo"),
  ]);
  return { ...store, SQL: dumbo.SQL, version: PACKAGES["@event-driven-io/emmett-postgresql"] };
}
