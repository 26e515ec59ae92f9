import { integer } from "../../base/quote.ts";
import { columnOf, transact } from "../../connection/ask.ts";
import { resolveUrl } from "../../connection/driver-options.ts";
import type { Run, Session } from "../run-types.ts";

/** Which database a session is in. */
export interface Whereabouts {
  readonly database: string;
  /** The server is on this machine. */
  readonly isLocal: boolean;
}

/**
 * Asks the server, as a tunnel's or a proxy's address says nothing: where it sees another port than the one that this
 * machine has opened, something stands between, as `ssh -L` and `kubectl port-forward`.
 */
export async function whereabouts(session: Session, { url }: Run): Promise<Whereabouts> {
  const { path, host } = resolveUrl(url).options;
  const ports = session.localPorts().map(integer);
  const isLoopback =
    "(inet '127.0.0.0/8' >>= inet_client_addr() or inet_client_addr() = inet '::1')";
  const here =
    path === undefined
      ? `${isLoopback} and inet_client_port() = any ('{${ports.join(", ")}}')`
      : "inet_client_addr() is null";
  const reply = await transact(
    session,
    "losses",
    [`select current_database() as tidemark_database, coalesce(${here}, false) as tidemark_local`],
    "rollback",
  );
  const isLocal = path !== undefined || host.every((name) => LOOPBACK.test(name));
  return {
    database: String(columnOf(reply, "tidemark_database")),
    isLocal: isLocal && columnOf(reply, "tidemark_local") === true,
  };
}

const LOOPBACK = /^(localhost|127(\.\d+){3}|\[?::1\]?)$/i;
