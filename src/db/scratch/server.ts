import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import postgres from "postgres";
import { describeTarget, MigrateError } from "../migrate/index.ts";
import { DatabaseError } from "../pool/error.ts";
import { openSession } from "../pool/open-session.ts";
import type { Session } from "../pool/session.ts";

/** One connection to a scratch server, outside the scratch databases. */
export interface ServerConnection {
  readonly majorVersion: number;
  /** Of the session. */
  readonly role: string;
  /** A name that no other database has; it says when it was made. */
  readonly newName: () => string;
  readonly createDatabase: (name: string, template?: string) => Promise<void>;
  /** Whoever is connected to it; one that is not there is fine. */
  readonly dropDatabase: (name: string) => Promise<void>;
  /** Drops what killed processes left here, of this role's. */
  readonly dropLeftBehind: () => Promise<void>;
  readonly createRoles: (names: readonly string[]) => Promise<void>;
  readonly dropRoles: (names: readonly string[]) => Promise<void>;
  /** Makes it a superuser that may log in, and makes it where it is not there. */
  readonly empower: (role: PowerfulRole, password: string) => Promise<void>;
  readonly listRoles: () => Promise<readonly string[]>;
}

interface PowerfulRole {
  readonly name: string;
  readonly settings?: Readonly<Record<string, string>>;
}

/** @throws MigrateError `config`, `connect` */
export async function withServerConnection<T>(
  url: string,
  use: (connection: ServerConnection) => Promise<T>,
): Promise<T> {
  const session = await connect(url);
  try {
    return await use(await greet(session, url));
  } finally {
    await session.end();
  }
}

async function connect(url: string): Promise<Session> {
  try {
    return await openSession(url, "tidemark-scratch");
  } catch (cause) {
    if (!(cause instanceof DatabaseError)) throw cause;
    throw new MigrateError({
      code: cause.code === "config" ? "config" : "connect",
      fact: `The scratch server cannot be used: ${cause.message}`,
      remedy: "Without --scratch-url an embedded PostgreSQL is used.",
      cause,
    });
  }
}

const FILE_COPY_SINCE = 15;
const OBJECT_IN_USE = "55006";
const IN_USE_TIMEOUT_MS = 30_000;
const PAUSE_MS = 50;

async function greet(session: Session, url: string): Promise<ServerConnection> {
  const ask = async (text: string, params: readonly unknown[] = []) => {
    try {
      return await session.run({ text, params });
    } catch (cause) {
      throw serverRefused(url, cause);
    }
  };
  const [row] = await ask(
    "select current_setting('server_version_num')::integer as version, current_user as role",
  );
  const majorVersion = Math.trunc(Number(row?.version) / 10_000);

  const createDatabase = async (name: string, template?: string) => {
    // template1 may hold what somebody has put there for new databases.
    const source = `template ${template === undefined ? "template0" : quoted(template)}`;
    // A tenth of the time of the other strategy, for a database as small as these.
    const strategy = majorVersion >= FILE_COPY_SINCE ? " strategy file_copy" : "";
    const end = performance.now() + IN_USE_TIMEOUT_MS;
    for (;;) {
      try {
        await ask(`create database ${quoted(name)} ${source}${strategy}`);
        return;
      } catch (error) {
        // A connection to what is copied was closed just now, and its backend still ends.
        if (stateOf(error) !== OBJECT_IN_USE || performance.now() > end) throw error;
        await sleep(PAUSE_MS);
      }
    }
  };
  const dropDatabase = async (name: string) => {
    await ask(`drop database if exists ${quoted(name)} with (force)`);
  };
  const listRoles = async () => {
    const rows = await ask(
      "select rolname from pg_roles where rolname not like 'pg\\_%' order by rolname",
    );
    return rows.map(({ rolname }) => String(rolname));
  };

  const createRoles = async (names: readonly string[]) => {
    const there = new Set(await listRoles());
    for (const name of names.filter((wanted) => !there.has(wanted))) {
      await ask(`create role ${quoted(name)}`);
    }
  };

  return {
    majorVersion,
    role: String(row?.role),
    newName: () =>
      `${PREFIX}${Math.trunc(Date.now() / 1000).toString(16)}_${randomBytes(6).toString("hex")}`,
    createDatabase,
    dropDatabase,
    dropLeftBehind: async () => {
      const rows = await ask(LEFT_BEHIND);
      for (const { datname } of rows) await dropDatabase(String(datname));
    },
    createRoles,
    empower: async ({ name, settings = {} }, password) => {
      await createRoles([name]);
      await ask(
        `alter role ${quoted(name)} superuser login connection limit -1 valid until 'infinity'
          password ${literal(password)}`,
      );
      for (const [setting, value] of Object.entries(settings)) {
        // A list stands there with the quotes that it needs.
        const text = setting === "search_path" ? value : literal(value);
        await ask(`alter role ${quoted(name)} set ${quoted(setting)} = ${text}`);
      }
    },
    dropRoles: async (names) => {
      for (const name of names) await ask(`drop role if exists ${quoted(name)}`);
    },
    listRoles,
  };
}

const PREFIX = "tidemark_scratch_";

/** An hour old by their names, of this role's, and nobody is connected. */
const LEFT_BEHIND = `
  select d.datname from pg_database d join pg_roles r on r.oid = d.datdba
  where d.datname ~ '^${PREFIX}[0-9a-f]{8}_[0-9a-f]{12}$' and r.rolname = current_user
    and ('x' || substr(d.datname, ${PREFIX.length + 1}, 8))::bit(32)::bigint
      < extract(epoch from now()) - 3600
    and not exists (select from pg_stat_activity a where a.datid = d.oid)`;

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

function literal(value: string): string {
  return `'${value.replaceAll("'", "''")}'`;
}

function stateOf(error: unknown): string | undefined {
  const cause = error instanceof MigrateError ? error.cause : error;
  return cause instanceof postgres.PostgresError ? cause.code : undefined;
}

function serverRefused(url: string, cause: unknown): unknown {
  const denied = stateOf(cause) === "42501";
  if (!(cause instanceof postgres.PostgresError || cause instanceof DatabaseError)) return cause;
  return new MigrateError({
    code: "connect",
    fact: `The scratch server ${describeTarget(url)} refused: ${cause.message}.`,
    remedy: denied
      ? "Name a role in --scratch-url that may create databases (`alter role … createdb`)."
      : "Look at the server's log, or leave --scratch-url away: an embedded PostgreSQL is used then.",
    cause,
  });
}
