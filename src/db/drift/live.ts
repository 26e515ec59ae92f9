import { isDeepStrictEqual } from "node:util";
import { type Catalog, readCatalog } from "../catalog/index.ts";
import {
  DatabaseMigrator,
  type DrizzleTableName,
  loadHistory,
  MigrateError,
  type Tag,
} from "../migrate/index.ts";
import { openSession } from "../pool/open-session.ts";
import type { ActingRole } from "../scratch/index.ts";
import { type AppliedSet, appliedSet } from "./applied.ts";

export interface LiveTarget {
  readonly url: string;
  /** Migrations folder. */
  readonly dir: string;
  readonly ledgerSchema: string;
  /** As the settings have it. */
  readonly drizzleTable?: Partial<DrizzleTableName>;
  readonly connectTimeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: (progress: DriftProgress) => void;
}

/** What is going on now. */
export interface DriftProgress {
  readonly phase: "read" | "scratch" | "replay" | "compare";
  readonly text: string;
}

/** A database as it is, read without needing the right to write. */
export interface LiveDatabase {
  readonly name: string;
  readonly applied: AppliedSet;
  readonly catalog: Catalog;
  readonly roles: readonly ActingRole[];
  /** Whom the default privileges of a role that has made tables here let use what it will make, in every schema. */
  readonly defaultGrantees: readonly string[];
}

const TRIES = 3;

/**
 * Reads a database's ledger and its catalog as of the same moment: again, if a run has committed
 * something in between.
 *
 * @throws MigrateError, CatalogError
 */
export async function readLive({ onProgress, ...target }: LiveTarget): Promise<LiveDatabase> {
  const { signal, ...settings } = target;
  const migrator = new DatabaseMigrator(settings);
  const tell = (text: string) => onProgress?.({ phase: "read", text });
  const readApplied = async () =>
    appliedSet(
      await migrator.status({
        ...(signal && { signal }),
        onProgress: (progress) => {
          if (progress.kind !== "server-unavailable") return;
          tell(`waiting for the server: ${progress.reason}`);
        },
      }),
    );
  tell("reading the database");
  let applied = await readApplied();
  const server = await readServer(target.url);
  for (let tries = 1; tries <= TRIES; tries += 1) {
    const catalog = await readComparable(target);
    const after = await readApplied();
    const isSame = isDeepStrictEqual(applied, after);
    if (isSame) {
      const { owner: _owner, ...found } = server;
      return { ...found, applied, catalog };
    }
    applied = after;
  }
  throw new MigrateError({
    code: "lock_timeout",
    fact: `Migrations were applied each of the ${TRIES} times that the database was read.`,
    outcome: "nothing-compared",
    remedy: "Wait until they have finished: tidemark wait && tidemark drift",
  });
}

/**
 * Reads a database of which the ledger knows nothing, as if these migrations had been applied there by the
 * role that owns most of its tables.
 *
 * @throws MigrateError, CatalogError
 */
export async function readAssumed(
  { onProgress, ...target }: LiveTarget,
  tags: readonly Tag[],
): Promise<LiveDatabase> {
  onProgress?.({ phase: "read", text: "reading the database" });
  const { owner, ...server } = await readServer(target.url);
  const { migrations, warnings } = await loadHistory(target.dir, { sumFile: "ignore" });
  const assumed = new Set(tags);
  const applied = migrations.filter(({ tag }) => assumed.has(tag));
  return {
    ...server,
    applied: {
      migrations: applied.map(({ tag }) => ({ tag, by: owner })),
      ...{ repeatables: [], unknownRepeatables: [] },
      pending: migrations.flatMap(({ tag }) => (assumed.has(tag) ? [] : [tag])),
      version: applied.at(-1)?.tag,
      warnings: warnings.map(({ message }) => message),
    },
    catalog: await readComparable(target),
  };
}

/** Schemas that drizzle's migrator, and the engine of the application's jobs, make for themselves. */
const OF_ENGINES = ["drizzle", "graphile_worker"];

/** A catalog without the ledger's schema and those of engines. */
export function readComparable({
  url,
  ledgerSchema,
  signal,
}: Pick<LiveTarget, "url" | "ledgerSchema" | "signal">): Promise<Catalog> {
  return readCatalog({ url, leaveOut: [ledgerSchema, ...OF_ENGINES], signal });
}

/** Settings of a role that decide what its SQL makes, and who owns it. */
const SHAPING: ReadonlySet<string> = new Set(["search_path", "role"]);

async function readServer(
  url: string,
): Promise<Omit<LiveDatabase, "applied" | "catalog"> & { readonly owner: string }> {
  const session = await openSession(url, "tidemark-drift");
  try {
    const rows = await session.run({
      text: `
        select pg_catalog.current_database() as database, coalesce((
            select pg_catalog.pg_get_userbyid(c.relowner) from pg_catalog.pg_class c
            join pg_catalog.pg_namespace n on n.oid = c.relnamespace
            where c.relkind in ('r', 'p') and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
            group by c.relowner order by pg_catalog.count(*) desc limit 1
          ), session_user) as owner, exists (
            select from pg_catalog.pg_default_acl d, pg_catalog.aclexplode(d.defaclacl) a
            where d.defaclnamespace = 0 and a.grantee = r.oid and a.grantee <> d.defaclrole
              and exists (
                select from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
                where c.relowner = d.defaclrole and c.relkind in ('r', 'p') and n.nspname !~ '^pg_'
                  and n.nspname <> 'information_schema')
          ) as "isDefaultGrantee", rolname as name,
          -- Those for this database win.
          pg_catalog.to_json(coalesce(rolconfig, '{}') || coalesce((
            select s.setconfig from pg_catalog.pg_db_role_setting s
            join pg_catalog.pg_database d on d.oid = s.setdatabase
            where d.datname = pg_catalog.current_database() and s.setrole = r.oid
          ), '{}'))::text as settings
        from pg_catalog.pg_roles r
        where rolname not like 'pg\\_%'
        order by rolname`,
    });
    return {
      name: String(rows[0]?.database),
      owner: String(rows[0]?.owner),
      defaultGrantees: rows.flatMap(({ name, isDefaultGrantee }) =>
        isDefaultGrantee === true ? String(name) : [],
      ),
      roles: rows.map(({ name, settings }) => ({
        name: String(name),
        settings: shapingSettings(JSON.parse(String(settings)) as readonly string[]),
      })),
    };
  } finally {
    await session.end();
  }
}

function shapingSettings(lines: readonly string[]): Readonly<Record<string, string>> {
  const pairs = lines.map((line) => {
    const end = line.indexOf("=");
    return [line.slice(0, end), line.slice(end + 1)] as const;
  });
  return Object.fromEntries(pairs.filter(([name]) => SHAPING.has(name)));
}
