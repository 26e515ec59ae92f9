import { columnOf, transact } from "../../connection/ask.ts";
import { resolveUrl } from "../../connection/driver-options.ts";
import type { Run, Session } from "../run-types.ts";

/** Which database a session is in. */
export interface Whereabouts {
  readonly database: string;
  /** The server is on this machine. */
  readonly isLocal: boolean;
}

/** Asks the server, as a tunnel's or a proxy's address says nothing. */
export async function whereabouts(session: Session, { url }: Run): Promise<Whereabouts> {
  const here = "inet '127.0.0.0/8' >>= inet_client_addr() or inet_client_addr() = inet '::1'";
  const reply = await transact(
    session,
    "losses",
    [
      `select current_database() as tidemark_database, inet_client_addr() is null or ${here} as tidemark_local`,
    ],
    "rollback",
  );
  const { path, host } = resolveUrl(url).options;
  const isLocal = path !== undefined || host.every((name) => LOOPBACK.test(name));
  return {
    database: String(columnOf(reply, "tidemark_database")),
    isLocal: isLocal && columnOf(reply, "tidemark_local") === true,
  };
}

const LOOPBACK = /^(localhost|127(\.\d+){3}|\[?::1\]?)$/i;
