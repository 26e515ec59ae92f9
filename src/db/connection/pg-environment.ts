import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { formatUrl } from "../base/address.ts";
import { messageOf, Problem } from "../base/problem.ts";
import type { Environment } from "./driver-options.ts";

/** A database that the `PG*` variables name. */
export interface EnvironmentUrl {
  /** Without the password of PGPASSWORD and the password file, which are looked up at the connection. */
  readonly url: string;
  /** The variables that say where it is. */
  readonly names: readonly string[];
}

// Where one of these is set, somebody has named a database; a user or a port alone names none.
const PLACES = ["PGSERVICE", "PGHOST", "PGHOSTADDR", "PGDATABASE"];

type Service = Readonly<Record<string, string>>;

/**
 * The URL of `PG*`, as libpq reads them: a service of `PGSERVICEFILE`, else `~/.pg_service.conf`,
 * comes before the single variables. Undefined where none of them names a place.
 *
 * @throws Problem `config` for a service that is not there
 */
export function environmentUrl(env: Environment): EnvironmentUrl | undefined {
  const names = PLACES.filter((name) => env[name]);
  if (names.length === 0) return undefined;
  const service: Service = env.PGSERVICE ? readService(env.PGSERVICE, env) : {};
  const { host, hostaddr, port, user, password, dbname, ...parameters } = service;
  // libpq's default where nobody has asked for anything else.
  const mode = env.PGSSLMODE ? {} : { sslmode: "prefer" };
  const url = formatUrl({
    host: host ?? hostaddr ?? (env.PGHOST || env.PGHOSTADDR || "localhost"),
    port: port ?? (env.PGPORT || undefined),
    user: user ?? (env.PGUSER || undefined),
    password,
    database: dbname ?? (env.PGDATABASE || undefined),
    parameters: { ...mode, ...parameters },
  });
  return { url, names };
}

function readService(name: string, env: Environment): Service {
  const own = env.PGSERVICEFILE || join(env.HOME || homedir(), ".pg_service.conf");
  const files = [own, ...(env.PGSYSCONFDIR ? [join(env.PGSYSCONFDIR, "pg_service.conf")] : [])];
  const reasons: string[] = [];
  for (const file of files) {
    try {
      const found = serviceIn(readFileSync(file, "utf8"), name);
      if (found !== undefined) return found;
      reasons.push(`${file} does not have it`);
    } catch (error) {
      reasons.push(messageOf(error));
    }
  }
  throw new Problem({
    code: "config",
    fact: `PGSERVICE is ${name}, which was not found: ${reasons.join("; ")}.`,
    outcome: "nothing-run",
    remedy: "Correct PGSERVICE or PGSERVICEFILE, or unset it.",
  });
}

/** The keys of a section `[name]`. */
export function serviceIn(text: string, name: string): Service | undefined {
  let section: string | undefined;
  let found: Record<string, string> | undefined;
  for (const line of text.split(/\r?\n/).map((one) => one.trim())) {
    if (line === "" || line.startsWith("#")) continue;
    const [, head] = /^\[(.*)\]$/.exec(line) ?? [];
    if (head !== undefined) {
      section = head;
      if (section === name) found ??= {};
      continue;
    }
    const [, key, value] = /^([^=\s]+)\s*=\s*(.*)$/.exec(line) ?? [];
    if (section === name && found !== undefined && key !== undefined) found[key] ??= value ?? "";
  }
  return found;
}
