import { identifier } from "../base/quote.ts";
import { plural } from "../base/text.ts";
import type { Finding, Scene } from "./doctor-types.ts";
import { fine, wrong } from "./finding.ts";

/** A run's own, one beside it for blockers and the lease, and one for a cancel. */
const NEEDED = 3;

/** The connection and the role: what leads to the server, and what it may do there. */
export function roleFindings(scene: Scene): readonly Finding[] {
  return [
    connectionOf(scene),
    ...encryptionOf(scene),
    roomOf(scene),
    ...rightsOf(scene),
    ...settingsOf(scene),
  ];
}

function connectionOf({ connection: { backendPid }, handshakePid }: Scene): Finding {
  if (backendPid === handshakePid) return fine("connection", "The connection is direct.");
  return wrong(
    "connection",
    "warning",
    "The connection goes through a pooler.",
    "It works, and each message waits for the last. Where there is a direct address, give it to migrations: what needs a session of its own (pg_advisory_lock, PREPARE, LISTEN) fails here.",
  );
}

function encryptionOf({ connection, handshakePid }: Scene): readonly Finding[] {
  const { isEncrypted, isLocal, backendPid } = connection;
  if (isLocal || isEncrypted !== false || backendPid !== handshakePid) return [];
  return [
    wrong(
      "encryption",
      "warning",
      "The connection to another machine is not encrypted.",
      "Add sslmode=verify-full (and sslrootcert) to the URL, unless the network is your own.",
    ),
  ];
}

function roomOf({ room: { left, bound } }: Scene): Finding {
  const rest = `${plural(Math.max(0, left), "connection")} ${left === 1 ? "is" : "are"} left of ${bound}`;
  if (left >= NEEDED) return fine("connections", `${rest}.`);
  return wrong(
    "connections",
    "warning",
    `${rest}; a run takes up to ${NEEDED}.`,
    "Close some, or raise the limit. A run that gets one alone does not see whom it waits for.",
  );
}

function rightsOf({ role, ledgerSchema }: Scene): readonly Finding[] {
  const { name, database, mayCreate, mayCreateInPublic, ledger, foreignTables } = role;
  const found: Finding[] = [];
  if (ledger === null && !mayCreate) {
    found.push(
      wrong(
        "rights",
        "error",
        `The role ${name} may not create the ledger's schema ${ledgerSchema} in ${database}.`,
        `grant create on database ${identifier(database)} to ${identifier(name)};`,
      ),
    );
  } else if (ledger !== null && ledger.lacking.length > 0) {
    found.push(
      wrong(
        "rights",
        "error",
        `The role ${name} lacks rights on the ledger.`,
        ledger.lacking.map((right) => `grant ${right} to ${identifier(name)};`).join("\n"),
      ),
    );
  } else {
    const may = ledger === null ? "may create the ledger" : "may write the ledger";
    found.push(fine("rights", `The role ${name} ${may}.`));
  }
  if (mayCreateInPublic === false) {
    found.push(
      wrong(
        "rights-public",
        "warning",
        `The role ${name} may not create in schema public.`,
        `Unless its migrations make nothing there: grant create on schema public to ${identifier(name)};`,
      ),
    );
  }
  if (foreignTables !== null) {
    const { count, owner, first, mayBeGranted } = foreignTables;
    found.push(
      wrong(
        "ownership",
        "warning",
        `The role ${name} may not alter ${plural(count, "table")} of other roles, such as ${first}, most of them ${owner}'s.`,
        mayBeGranted
          ? `Migrate as their owner, or: grant ${owner} to ${identifier(name)};`
          : `Where its migrations change them, give them to it: alter table ${first} owner to ${identifier(name)};`,
      ),
    );
  }
  return found;
}

/** What changes the meaning of a migration's SQL. What a run needs otherwise, it sets itself. */
const SETTINGS: Readonly<Record<string, (value: string) => string | undefined>> = {
  session_replication_role: (value) =>
    value === "origin" ? undefined : "triggers and foreign keys do not work in its sessions",
  check_function_bodies: (value) =>
    value === "on" ? undefined : "mistakes in functions are found when they are called",
  default_tablespace: (value) =>
    value === "" ? undefined : `tables and indexes are made in tablespace ${value}`,
  search_path: (value) =>
    /(^|,)\s*"?public"?\s*(,|$)/.test(value) || value.includes("$user")
      ? undefined
      : `names without a schema are looked for in ${value === "" ? "no schema" : value}, and made there`,
  zero_damaged_pages: (value) => (value === "off" ? undefined : "damaged pages are read as empty"),
};

function settingsOf({ role: { settings, name } }: Scene): readonly Finding[] {
  const odd = (settings ?? []).flatMap(({ name: setting, value, source }) => {
    const meaning = SETTINGS[setting]?.(value);
    return meaning === undefined ? [] : [{ setting, value, source, meaning }];
  });
  if (odd.length === 0) return [fine("settings", "No setting changes what migrations mean.")];
  return odd.map(({ setting, value, source, meaning }) =>
    wrong(
      "settings",
      "warning",
      `${setting} is ${value === "" ? "''" : value} (${SOURCES[source] ?? source}): ${meaning}.`,
      source === "user" || source === "database user"
        ? `If that is not meant for migrations: alter role ${identifier(name)} reset ${setting};`
        : `If that is not meant for migrations: alter role ${identifier(name)} set ${setting} to …;`,
    ),
  );
}

const SOURCES: Readonly<Record<string, string>> = {
  user: "of the role",
  database: "of the database",
  "database user": "of the role in this database",
  client: "of the URL",
  "configuration file": "of the server",
  "command line": "of the server",
};
