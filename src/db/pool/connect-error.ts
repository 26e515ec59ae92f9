import { DatabaseError } from "./database-error.ts";
import type { Target } from "./target.ts";

/** A connection that could not be made, told from its cause: a socket's error or the server's. */
export function connectFailed(target: Target, cause: unknown): DatabaseError {
  const code = errorCode(cause);
  const remedy = REMEDIES[code ?? ""] ?? "Check that the URL is right and the server reachable.";
  const message = `Cannot connect to ${target.label}: ${describe(cause, code)}. ${remedy}`;
  return new DatabaseError("connect", message, { cause });
}

export function connectTimedOut(target: Target): DatabaseError {
  const fact = `no answer for ${target.connectTimeoutMs} ms`;
  const remedy = "Check that the host is right and no firewall drops the packets.";
  return new DatabaseError("connect", `Cannot connect to ${target.label}: ${fact}. ${remedy}`);
}

/** Whether the server answered and meant no: another host of the list would not mean yes. */
export function isRefusal(error: DatabaseError): boolean {
  const code = errorCode(error.cause) ?? "";
  return code.startsWith("28") || code === "3D000";
}

const REMEDIES: Readonly<Record<string, string>> = {
  ECONNREFUSED: "Start the server there, or correct the host and port.",
  ENOENT: "Start the server there, or correct the directory of its socket.",
  ENOTFOUND: "Correct the name of the host.",
  EAI_AGAIN: "Correct the name of the host, or repair the name service.",
  "28P01": "Correct the user or the password.",
  "28000": "Correct the user, or let it in through pg_hba.conf.",
  "3D000": "Create the database, or correct its name.",
  "53300": "Lower the pool's `max`, close other clients, or raise max_connections.",
  "57P03": "The server is starting or stopping: try again in a moment.",
};

function errorCode(cause: unknown): string | undefined {
  return cause instanceof Error && "code" in cause ? String(cause.code) : undefined;
}

function describe(cause: unknown, code: string | undefined): string {
  // A name with several addresses fails with an AggregateError, which has a code and no message.
  const text = cause instanceof Error ? cause.message || code : undefined;
  if (text === undefined) return "the server closed the connection";
  return code === undefined || text.includes(code) ? text : `${text} (${code})`;
}
