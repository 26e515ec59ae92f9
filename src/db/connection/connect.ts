import { describeTarget } from "../base/address.ts";
import { jittered, pause } from "../base/backoff.ts";
import { messageOf, Problem } from "../base/problem.ts";
import { certificateRemedy } from "./certificates.ts";
import { NoAnswer, SessionLost, TlsRefused } from "./loss.ts";
import {
  isServerError,
  type OnFailpoint,
  openSession,
  type Reply,
  type ServerError,
  type Session,
} from "./session.ts";
import { OtherTarget } from "./target-attrs.ts";

/** What is told while a connection is made, and by the server on it. */
export type ConnectProgress =
  /** The server cannot be reached, or has no free connection; it is asked again. */
  | { readonly kind: "server-unavailable"; readonly reason: string; readonly waitedMs: number }
  /** A NOTICE or WARNING of the server's. */
  | { readonly kind: "notice"; readonly severity: string; readonly message: string };

export interface ConnectOptions {
  readonly url: string;
  /** Bound on waiting for a server that is not up yet. */
  readonly connectTimeoutMs: number;
  /**
   * Bound on waiting for a server or a pooler that is up and has no room, and on the answer to
   * the first query. Default `connectTimeoutMs`, and none on the answer.
   */
  readonly busyTimeoutMs?: number;
  readonly onProgress: (progress: ConnectProgress) => void;
  readonly onFailpoint: OnFailpoint | undefined;
  readonly signal: AbortSignal | undefined;
}

// What passes by itself: starting up or shutting down (57P0x), no slots left
// (53300), and a pooler's own complaints (class 08).
const PASSING_STATES = /^(57P0[123]|53300|08\w{3})$/;
const NO_SLOTS_LEFT = "53300";
// PgBouncer has one SQLSTATE for all that it says, so here the text must tell.
const POOLER_IS_FULL = /query_wait_timeout|max_client_conn/;
const PASSING_ERRORS = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "EPIPE",
  "ETIMEDOUT",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "EAI_AGAIN",
  "ENOENT",
  "CONNECT_TIMEOUT",
  "CONNECTION_CLOSED",
  "CONNECTION_ENDED",
  "CONNECTION_DESTROYED",
]);

// Ended after the server had let us in: a pooler whose connections are all taken does that.
const ENDED_AFTER_START = "CONNECTION_CLOSED";

const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 1_000;

/**
 * Connects and runs the first query. A server that is not up yet is waited for;
 * one that says no (password, database, role) is not.
 *
 * @throws Problem `connect`, `config`; the signal's reason
 */
export async function connect(
  options: ConnectOptions,
  firstQuery: string,
): Promise<{ readonly session: Session; readonly first: Reply | ServerError }> {
  const start = performance.now();
  const { connectTimeoutMs, busyTimeoutMs } = options;
  // Since when there has been no server at all; undefined while there is one.
  let absentSince: number | undefined;
  let pauseMs = FIRST_PAUSE_MS;
  for (;;) {
    options.signal?.throwIfAborted();
    const now = performance.now();
    try {
      return await openSession(
        {
          url: options.url,
          connectTimeoutMs: connectTimeoutMs - (now - (absentSince ?? now)),
          ...(busyTimeoutMs !== undefined && { answerTimeoutMs: busyTimeoutMs - (now - start) }),
          onNotice: (severity, message) =>
            options.onProgress({ kind: "notice", severity, message }),
          onFailpoint: options.onFailpoint,
          signal: options.signal,
        },
        firstQuery,
      );
    } catch (error) {
      // Once the signal has come, its reason explains what is thrown.
      if (options.signal?.aborted) throw error;
      const busy = isBusy(error);
      absentSince = busy ? undefined : (absentSince ?? now);
      const waitedMs = Math.round(performance.now() - start);
      const leftMs =
        absentSince === undefined
          ? (busyTimeoutMs ?? connectTimeoutMs) - waitedMs
          : connectTimeoutMs - (performance.now() - absentSince);
      if (!isPassing(error) || pauseMs > leftMs) {
        throw connectError(options.url, error, waitedMs);
      }
      options.onProgress({ kind: "server-unavailable", reason: reasonOf(error), waitedMs });
      await pause(jittered(pauseMs), options.signal);
      pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
    }
  }
}

function isPassing(error: unknown): boolean {
  if (error instanceof TlsRefused) return false;
  // A failover may be under way.
  if (error instanceof OtherTarget) return true;
  if (isServerError(error)) return PASSING_STATES.test(error.code);
  if (error instanceof AggregateError) return error.errors.every(isPassing);
  if (error instanceof SessionLost) return !(error instanceof NoAnswer);
  return PASSING_ERRORS.has((error as { code?: string }).code ?? "");
}

/** The server, or the pooler before it, is up: all its connections are taken. */
function isBusy(error: unknown): boolean {
  if (isServerError(error)) {
    return error.code === NO_SLOTS_LEFT || POOLER_IS_FULL.test(error.message);
  }
  if (error instanceof SessionLost) return true;
  return (error as { code?: string }).code === ENDED_AFTER_START;
}

function connectError(url: string, cause: unknown, waitedMs: number): Problem {
  if (cause instanceof Problem) return cause;
  const waited = waitedMs < 1_000 ? "" : ` after ${(waitedMs / 1000).toFixed(1)} s`;
  return new Problem({
    code: "connect",
    fact: `Cannot connect to ${describeTarget(url)}${waited}: ${reasonOf(cause)}.`,
    outcome: "nothing-run",
    remedy: remedyOf(cause),
    cause,
  });
}

function remedyOf(error: unknown): string {
  const state = isServerError(error) ? error.code : "";
  if (state === "28P01" || state === "28000") {
    return "Check user and password in the database URL, and the server's pg_hba.conf.";
  }
  if (state === "3D000") return "Create the database, or correct its name in the URL.";
  if (isBusy(error)) {
    return "The server is up but has no free connection. Close some, or raise max_connections (or the pool size).";
  }
  if (error instanceof TlsRefused || error instanceof OtherTarget) return error.remedy;
  const certificate = certificateRemedy(error);
  if (certificate !== undefined) return certificate;
  if ((error as { code?: unknown }).code === "ENOTFOUND") {
    return "Check the host in the database URL.";
  }
  if (state === "42704") return "Correct the settings in `options` of the URL, or in PGOPTIONS.";
  return "Is the server up, and are host and port right? --connect-timeout sets how long to wait.";
}

function reasonOf(error: unknown): string {
  const { code } = error as { code?: unknown };
  const message = messageOf(error);
  return typeof code === "string" && !message.includes(code) ? `${message} (${code})` : message;
}
