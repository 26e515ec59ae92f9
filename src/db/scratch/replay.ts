import { type Catalog, readCatalog } from "../catalog/index.ts";
import { DatabaseMigrator, type Migration, type StatusReport } from "../migrate/index.ts";
import { readRoles } from "../sql-tree/roles.ts";
import { refuseServerWide } from "../sql-tree/server-wide.ts";
import { APPLY_LEDGER, applyEach, applyFile } from "./apply-file.ts";
import type { ScratchDatabase, ScratchServer } from "./index.ts";
import { stageHistory } from "./staged.ts";

export interface ReplayOptions {
  readonly server: ScratchServer;
  readonly migrations: readonly Migration[];
  readonly ledgerSchema: string;
  readonly signal?: AbortSignal | undefined;
}

/** A history that is run on a scratch database, as far as somebody wants to look. */
export interface Replay {
  readonly server: ScratchServer;
  /** The one that it works on now. */
  readonly database: () => ScratchDatabase;
  readonly migrations: readonly Migration[];
  /**
   * Runs what is missing of the first `count` migrations, with the engine.
   *
   * @throws MigrateError
   */
  readonly advance: (count: number) => Promise<"applied" | "current" | "newer">;
  /** What the ledger says. @throws MigrateError */
  readonly status: () => Promise<StatusReport>;
  /** How many are applied. */
  readonly applied: () => number;
  /** What is there now. @throws CatalogError */
  readonly catalog: () => Promise<Catalog>;
  /** Roles that the history has made on the server, and that are there now. */
  readonly madeRoles: () => Promise<readonly string[]>;
  /** A copy of what is there now, to try something on. */
  readonly copy: () => Promise<ReplayCopy>;
  /** Begins again on an empty database: what was done to this one is not known. */
  readonly restart: () => Promise<void>;
  /** Runs a file beside the history. @throws MigrateError */
  readonly run: (file: string, sql: string) => Promise<void>;
}

export interface ReplayCopy extends Pick<Replay, "catalog" | "run"> {
  readonly database: ScratchDatabase;
  /** Runs statements one by one; what the server refuses is left out. */
  readonly runEach: (statements: readonly string[]) => Promise<void>;
  readonly drop: () => Promise<void>;
}

/** Stages a history and makes a database for it, with the roles it needs. */
export async function withReplay<T>(
  { server, migrations, ledgerSchema, signal }: ReplayOptions,
  use: (replay: Replay) => Promise<T>,
): Promise<T> {
  if (!server.isOwn) await refuseServerWide(migrations);
  const roles = await readRoles(migrations.map(({ sql }) => sql));
  await server.lendRoles(roles.named);
  const there = new Set(await server.listRoles());
  // On a server that others use too, what is new may be theirs: only what the SQL names is the history's.
  const listMadeRoles = async () =>
    (await server.listRoles()).filter(
      (role) => !there.has(role) && (server.isOwn || roles.made.includes(role)),
    );
  const files = new Map(migrations.map(({ tag, file }) => [tag, file]));
  const staged = await stageHistory(migrations, (tag) => files.get(tag) ?? tag);
  const call = signal === undefined ? {} : { signal };
  let database = await server.createDatabase();
  let applied = 0;
  const migrator = () => new DatabaseMigrator({ url: database.url, dir: staged.dir, ledgerSchema });
  const catalogOf = ({ url }: ScratchDatabase) =>
    readCatalog({ url, leaveOut: [ledgerSchema, APPLY_LEDGER] });
  const clear = async () => {
    await server.dropDatabase(database);
    // The history makes them again.
    await server.dropRoles(await listMadeRoles());
  };

  try {
    return await use({
      server,
      migrations,
      database: () => database,
      applied: () => applied,
      status: () => migrator().status(call),
      advance: async (count) => {
        const to = migrations[count - 1]?.tag;
        if (to === undefined) return "current";
        try {
          const { outcome } = await migrator().migrate({ ...call, to, allowExisting: true });
          applied = Math.max(applied, count);
          return outcome;
        } catch (error) {
          throw staged.explain(error);
        }
      },
      catalog: () => catalogOf(database),
      madeRoles: listMadeRoles,
      copy: async () => {
        const copy = await server.createDatabase(database);
        return {
          database: copy,
          catalog: () => catalogOf(copy),
          run: (file, sql) => applyFile(copy, { file, sql }, signal),
          runEach: (statements) => applyEach(copy, statements),
          drop: () => server.dropDatabase(copy),
        };
      },
      restart: async () => {
        await clear();
        database = await server.createDatabase();
        applied = 0;
      },
      run: (file, sql) => applyFile(database, { file, sql }, signal),
    });
  } finally {
    await clear();
    await staged.remove();
  }
}
