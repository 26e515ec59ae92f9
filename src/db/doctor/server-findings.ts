import { listed } from "../base/text.ts";
import type { Finding, Scene } from "./doctor-types.ts";
import { fine, wrong } from "./finding.ts";

const OLDEST = 140_000;
const NEWEST_TRIED = 190_000;
/** The server warns from 40 million on. */
const FEW_TRANSACTIONS = 500_000_000;
const TOO_FEW_TRANSACTIONS = 40_000_000;

/** The server: its version, whether it takes writes, and what keeps them safe. */
export function serverFindings(scene: Scene): readonly Finding[] {
  return [
    versionOf(scene.serverVersion, scene.server.version),
    standbyOf(scene),
    ...safetyOf(scene),
    ...replicationOf(scene),
  ];
}

export function isTooOld(serverVersion: number): boolean {
  return serverVersion < OLDEST;
}

export function majorOf(serverVersion: number): string {
  return String(Math.floor(serverVersion / 10_000));
}

export function versionOf(serverVersion: number, version: string): Finding {
  const is = `The server is PostgreSQL ${version}`;
  if (isTooOld(serverVersion)) {
    const remedy = "Tidemark needs PostgreSQL 14 or later.";
    return wrong("server-version", "error", `${is}.`, remedy);
  }
  if (serverVersion >= NEWEST_TRIED) {
    const remedy = "Tidemark was tried with PostgreSQL 14 to 18: look for a newer release of it.";
    return wrong("server-version", "warning", `${is}.`, remedy);
  }
  return fine("server-version", `${is}.`);
}

function standbyOf({ server: { isStandby } }: Scene): Finding {
  if (!isStandby) return fine("standby", "It is no standby: it takes writes.");
  return wrong(
    "standby",
    "error",
    "It is a standby, which takes no writes.",
    "Connect to the primary; with several hosts in the URL, target_session_attrs=read-write finds it.",
  );
}

function safetyOf({ server }: Scene): readonly Finding[] {
  const { encoding, unsafe, isAutovacuumOff, wraparound, unarchived } = server;
  const found: Finding[] = [];
  if (encoding !== "UTF8") {
    found.push(
      wrong(
        "encoding",
        "warning",
        `The database is encoded in ${encoding}.`,
        "Characters of migrations that it does not have are refused by the server. New databases: ENCODING 'UTF8'.",
      ),
    );
  }
  if (unsafe.length > 0) {
    found.push(
      wrong(
        "durability",
        "warning",
        `${listed(unsafe.map((name) => `${name} = off`))}: a crash of the machine can destroy the database.`,
        "Switch it on, unless the data may be lost.",
      ),
    );
  }
  if (isAutovacuumOff) {
    const fact = "autovacuum is off: tables grow, and their statistics age.";
    found.push(wrong("autovacuum", "warning", fact, "Turn it on."));
  }
  const { left, database } = wraparound;
  if (left < FEW_TRANSACTIONS) {
    const level = left < TOO_FEW_TRANSACTIONS ? "error" : "warning";
    const fact = `${Math.max(0, left).toLocaleString("en-US")} transactions are left before the server takes no writes (wraparound).`;
    const remedy = `Connect to the database ${database}, and run VACUUM there, before anything is changed.`;
    found.push(wrong("wraparound", level, fact, remedy));
  }
  if (unarchived !== null) {
    found.push(
      wrong(
        "archiving",
        "warning",
        `WAL is not archived: ${unarchived} failed.`,
        "Mend archive_command first: what a migration rewrites stays on the server's disk until it is archived.",
      ),
    );
  }
  return found;
}

function replicationOf({ server: { waitsFor, lostSlots } }: Scene): readonly Finding[] {
  const found: Finding[] = [];
  if (waitsFor !== null && waitsFor.there === 0) {
    found.push(
      wrong(
        "synchronous-standby",
        "error",
        `Commits wait for a standby (synchronous_standby_names = ${waitsFor.names}), and none is connected: each would wait for ever.`,
        "Start the standby, or take it out of synchronous_standby_names.",
      ),
    );
  }
  if (lostSlots !== null) {
    found.push(
      wrong(
        "replication-slots",
        "warning",
        `Replication slots are about to lose their WAL, or have lost it: ${listed(lostSlots)}.`,
        "Let their readers catch up, or drop them, before a migration writes much.",
      ),
    );
  }
  return found;
}
