import { Problem } from "../base/problem.ts";
import { connect } from "../connection/connect.ts";
import { isServerError, type Session } from "../connection/session.ts";
import { lookAround } from "../forecast/index.ts";
import { DatabaseMigrator, MigrateError, type MigratorOptions } from "../migrate/index.ts";
import { databaseFindings } from "./database-findings.ts";
import type { Facts, Finding, Scene } from "./doctor-types.ts";
import { wrong } from "./finding.ts";
import { extensionFindings, historyFindings } from "./history-findings.ts";
import { readFacts } from "./read-facts.ts";
import { roleFindings } from "./role-findings.ts";
import { isTooOld, majorOf, serverFindings, versionOf } from "./server-findings.ts";

export type { Finding } from "./doctor-types.ts";

/** A migrator's options, of a folder. */
export interface DoctorTarget
  extends Pick<MigratorOptions, "dir" | "drizzleTable" | "ledgerSchema"> {
  readonly url: string;
  readonly connectTimeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  /** From when on an open transaction is told of. Default 60,000. */
  readonly longMs?: number;
}

/**
 * Looks at everything that a run meets, before it does: the server, the connection, the role's rights, room, other
 * sessions, and whether ledger, folder and drizzle's table agree. Writes nothing, and takes no lease.
 *
 * @throws MigrateError `connect`, `config`, `canceled`
 */
export async function examine(target: DoctorTarget): Promise<readonly Finding[]> {
  const { url, connectTimeoutMs, signal, ledgerSchema = "tidemark" } = target;
  const onProgress = () => undefined;
  const options = { url, connectTimeoutMs, signal, onProgress, onFailpoint: undefined };
  const { session } = await connect(options, "select 1").catch((error: unknown) => {
    throw ofConnection(error);
  });
  let scene: Scene | undefined;
  let blind: Finding | undefined;
  try {
    const { serverVersion } = session;
    if (isTooOld(serverVersion)) return [versionOf(serverVersion, majorOf(serverVersion))];
    scene = await look(session, ledgerSchema, target.longMs ?? LONG_MS);
  } catch (error) {
    if (!isServerError(error)) throw error;
    const fact = `The server, the role and the database could not be looked up: ${error.message}.`;
    const remedy = "Run it as a role that may read the catalogs, as every role may by default.";
    blind = wrong("facts", "warning", fact, remedy);
  } finally {
    await session.close();
  }
  const seen =
    scene === undefined
      ? []
      : [...serverFindings(scene), ...roleFindings(scene), ...databaseFindings(scene)];
  return [
    ...(blind === undefined ? [] : [blind]),
    ...seen,
    ...(await history(target, scene?.database)),
  ];
}

function ofConnection(error: unknown): unknown {
  if (error instanceof MigrateError || !(error instanceof Problem)) return error;
  const { fact, remedy, cause } = error;
  const code = error.code === "config" ? "config" : "connect";
  return new MigrateError({ code, fact, outcome: "nothing-read", remedy, cause });
}

/** From here on a transaction is in the way of somebody's deployment. */
const LONG_MS = 60_000;

async function look(session: Session, ledgerSchema: string, longMs: number): Promise<Scene> {
  const facts = await readFacts(session, ledgerSchema);
  const { long, seesOthers } = await lookAround(session, []);
  const { serverVersion } = session;
  return {
    ...facts,
    ...{ serverVersion, ledgerSchema, longMs, seesOthers },
    long: long.filter(({ forMs }) => (forMs ?? 0) >= longMs),
    handshakePid: session.handshakePid(),
  };
}

/** A history that cannot be read is a finding too. */
async function history(
  { connectTimeoutMs, signal, longMs: _longMs, ...options }: DoctorTarget,
  database: Facts["database"] | undefined,
): Promise<readonly Finding[]> {
  const migrator = new DatabaseMigrator({ ...options, connectTimeoutMs });
  const call = signal === undefined ? {} : { signal };
  try {
    const status = await migrator.status(call);
    const found = historyFindings(status);
    const isUnclear = status.problems.length > 0 || database === undefined;
    if (status.pending === 0 || isUnclear) return found;
    return [...found, ...(await extensionFindings(await migrator.plan(call), database))];
  } catch (error) {
    if (!(error instanceof MigrateError) || error.code === "canceled") throw error;
    return [wrong("history", "error", error.fact, error.remedy)];
  }
}
