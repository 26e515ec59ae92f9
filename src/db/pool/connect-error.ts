import { errorCode, messageOf } from "../base/problem.ts";
import { certificateRemedy } from "../connection/certificates.ts";
import { TlsRefused } from "../connection/loss.ts";
import { DatabaseError } from "./database-error.ts";
import type { Target } from "./target.ts";

/** A connection that could not be made, explained by its cause: a socket's error or the server's. */
export function connectFailed(target: Target, cause: unknown): DatabaseError {
  const remedy =
    (cause instanceof TlsRefused ? cause.remedy : certificateRemedy(cause)) ??
    REMEDIES[errorCode(cause) ?? ""] ??
    "Check that the URL is right and that the server can be reached.";
  const fact = `Cannot connect to ${target.label}: ${describe(cause)}.`;
  return new DatabaseError({ code: "connect", fact, remedy, cause });
}

export function connectTimedOut(target: Target): DatabaseError {
  return new DatabaseError({
    code: "connect",
    fact: `Cannot connect to ${target.label}: no answer for ${target.connectTimeoutMs} ms.`,
    remedy: "Check that the host is right and that no firewall drops the packets.",
  });
}

/** Whether the server answered and refused: the other hosts of the list would refuse as well. */
export function isRefusal(error: DatabaseError): boolean {
  const code = errorCode(error.cause) ?? "";
  return code.startsWith("28") || code === "3D000";
}

const REMEDIES: Readonly<Record<string, string>> = {
  ECONNREFUSED: "Start the server there, or correct the host and port.",
  ENOENT: "Start the server there, or correct the directory of its socket.",
  ENOTFOUND: "Correct the host name.",
  EAI_AGAIN: "Correct the host name, or repair the name service.",
  "28P01": "Correct the user or the password.",
  "28000": "Correct the user, or let it in through pg_hba.conf.",
  "3D000": "Create the database, or correct its name.",
  "53300": "Lower the pool's `max`, close other clients, or raise max_connections.",
  "57P03": "The server is starting or stopping: try again in a moment.",
};

function describe(cause: unknown): string {
  if (!(cause instanceof Error)) return "the server closed the connection";
  const code = errorCode(cause);
  const text = messageOf(cause);
  return code === undefined || text.includes(code) ? text : `${text} (${code})`;
}
