import { type Catalog, readCatalog } from "../catalog/index.ts";
import {
  type BeforeFile,
  DatabaseMigrator,
  type MigrateReport,
  type Migration,
  type Repeatable,
  type StatusReport,
} from "../migrate/index.ts";
import { readRoles } from "../sql-tree/roles.ts";
import { refuseServerWide } from "../sql-tree/server-wide.ts";
import { APPLY_LEDGER, applyEach, applyFile } from "./apply-file.ts";
import type { ScratchDatabase, ScratchServer } from "./index.ts";

export interface ReplayOptions {
  readonly server: ScratchServer;
  readonly migrations: readonly Migration[];
  /** What runs before them. */
  readonly before?: BeforeFile | undefined;
  /** What `repeat` runs. */
  readonly repeatables?: readonly Repeatable[] | undefined;
  readonly ledgerSchema: string;
  readonly signal?: AbortSignal | undefined;
}

/** A history that runs on a scratch database, step by step. */
export interface Replay {
  readonly server: ScratchServer;
  /** The one that it works on now. */
  readonly database: () => ScratchDatabase;
  readonly migrations: readonly Migration[];
  readonly before: BeforeFile | undefined;
  /**
   * Runs the engine until the first `count` migrations are applied.
   *
   * @throws MigrateError
   */
  readonly advance: (count: number) => Promise<"applied" | "current" | "newer">;
  /** Runs the repeatables after all migrations. @throws MigrateError */
  readonly repeat: () => Promise<MigrateReport>;
  /** As the ledger has it. @throws MigrateError */
  readonly status: () => Promise<StatusReport>;
  /** Number of applied migrations. */
  readonly applied: () => number;
  /** The catalog as it is now. @throws CatalogError */
  readonly catalog: () => Promise<Catalog>;
  /** Roles that the history made on the server, and that still exist. */
  readonly madeRoles: () => Promise<readonly string[]>;
  /** A copy of the database as it is now, to try something on. */
  readonly copy: () => Promise<ReplayCopy>;
  /** Starts again on an empty database, for when the state of this one is unknown. */
  readonly restart: () => Promise<void>;
  /** Runs a file beside the history. @throws MigrateError */
  readonly run: (file: string, sql: string) => Promise<void>;
}

export interface ReplayCopy extends Pick<Replay, "catalog" | "run"> {
  readonly database: ScratchDatabase;
  /** Runs statements one by one, and skips those that the server refuses. */
  readonly runEach: (statements: readonly string[]) => Promise<void>;
  readonly drop: () => Promise<void>;
}

/** Makes a database for a history, with the roles that it needs. */
export async function withReplay<T>(
  { server, migrations, before, repeatables = [], ledgerSchema, signal }: ReplayOptions,
  use: (replay: Replay) => Promise<T>,
): Promise<T> {
  if (!server.isOwn) await refuseServerWide([...migrations, ...repeatables]);
  const all = [...(before === undefined ? [] : [before]), ...migrations, ...repeatables];
  const roles = await readRoles(all.map(({ sql }) => sql));
  await server.lendRoles(roles.named);
  const there = new Set(await server.listRoles());
  // On a server that others use too, a new role may be theirs: only those that the SQL names are the history's.
  const listMadeRoles = async () =>
    (await server.listRoles()).filter(
      (role) => !there.has(role) && (server.isOwn || roles.made.includes(role)),
    );
  const call = signal === undefined ? {} : { signal };
  let database = await server.createDatabase();
  let applied = 0;
  const migrator = (more: { readonly repeatables?: readonly Repeatable[] } = {}) =>
    new DatabaseMigrator({
      ...{ url: database.url, history: migrations, before, ledgerSchema, ...more },
      drizzleTable: server.drizzleTable,
      runBackgroundBackfills: true,
    });
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
      before,
      database: () => database,
      applied: () => applied,
      status: () => migrator().status(call),
      advance: async (count) => {
        const to = migrations[count - 1]?.tag;
        if (to === undefined) return "current";
        const { outcome } = await migrator().migrate({ ...call, to, allowExisting: true });
        applied = Math.max(applied, count);
        return outcome;
      },
      repeat: () => migrator({ repeatables }).migrate({ ...call, allowExisting: true }),
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
  }
}
