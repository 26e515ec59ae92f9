import postgres from "postgres";
import { errorCode } from "../base/problem.ts";
import { cancelOnAbort } from "./cancel.ts";
import { type Resolved, resolveUrl } from "./driver-options.ts";
import { closeClient, type FirstBounds, Link } from "./link.ts";
import {
  ANSWER_AFTER_ABORT_MS,
  giveUpAfterAbort,
  lossOfConnection,
  SessionLost,
  SessionTerminated,
  TlsRefused,
} from "./loss.ts";
import {
  isServerError,
  type OnFailpoint,
  type Reply,
  type ServerError,
  type Session,
} from "./session-types.ts";
import { createSockets, type DriverTarget } from "./sockets.ts";
import { OtherTarget, turnsOf } from "./target-attrs.ts";

export {
  type Failpoint,
  isServerError,
  type OnFailpoint,
  type Reply,
  type Row,
  type Sent,
  type ServerError,
  type Session,
} from "./session-types.ts";
export type { Remote } from "./sockets.ts";

export interface SessionOptions extends FirstBounds {
  readonly url: string;
  readonly onNotice: (severity: string, message: string) => void;
  readonly onFailpoint: OnFailpoint | undefined;
  /** Name of the first message at the failpoints. Default `look`. */
  readonly firstName?: string;
  /** Once it comes, the server has `graceMs` to answer; then the session is given up. */
  readonly signal?: AbortSignal | undefined;
  /** Default 5,000. */
  readonly graceMs?: number;
  /** Called when the connection is lost or closed. */
  readonly onLost?: () => void;
}

const SHORTEST_CONNECT_MS = 1_000;

const NO_ACTIVE_TRANSACTION = "25P01";

/**
 * Connects, and runs the first query, which must change nothing.
 *
 * @throws ServerError where the server refuses (password, database, no slots left),
 * the driver's error where there is no server, Problem `config` where the URL is not one.
 */
export async function openSession(
  options: SessionOptions,
  firstQuery: string,
): Promise<{ readonly session: Session; readonly first: Reply | ServerError }> {
  const { options: target, ...resolved } = resolveUrl(options.url);
  const { target_session_attrs: wanted, ...any } = target;
  // The driver's own turn for a preference never comes to the servers that are no standbys.
  const turns = turnsOf(wanted);
  for (const [turn, asked] of turns.entries()) {
    const given = asked === undefined ? any : { ...any, target_session_attrs: asked };
    try {
      return await openOn({ ...resolved, options: given }, options, firstQuery);
    } catch (error) {
      const isLast = turn === turns.length - 1;
      if (!isLast && !options.signal?.aborted && !isServerError(error)) continue;
      const isOther = wanted !== undefined && errorCode(error) === "CONNECTION_DESTROYED";
      throw isOther ? new OtherTarget(wanted, error) : error;
    }
  }
  throw new Error("no turn is left");
}

async function openOn(
  { options: target, tls, isPooled }: Resolved,
  options: SessionOptions,
  firstQuery: string,
): Promise<{ readonly session: Session; readonly first: Reply | ServerError }> {
  const lost = lossOfConnection();
  // With a bound of nothing, a server that is up still gets the time to answer.
  const connectTimeoutMs = Math.max(options.connectTimeoutMs, SHORTEST_CONNECT_MS);
  const sockets = createSockets(connectTimeoutMs);
  const dialed = lossOfConnection<Error>();
  const client = postgres({
    ...target,
    // The driver ends a connection only together with the server, which may never answer.
    socket: (server: DriverTarget) =>
      sockets.open(server).catch((error: Error) => {
        // With several hosts the driver keeps it to itself.
        dialed.reject(error);
        throw error;
      }),
    max: 1,
    prepare: false,
    fetch_types: false,
    max_lifetime: null,
    idle_timeout: 0,
    connect_timeout: Math.ceil(connectTimeoutMs / 1000),
    connection: { standard_conforming_strings: "on", ...target.connection },
    onnotice: ({ code, severity, message }: postgres.Notice) => {
      // Our own rollback, to be on the safe side, where no transaction was open.
      if (code !== NO_ACTIVE_TRANSACTION) options.onNotice(severity ?? "NOTICE", message ?? "");
    },
    onclose: () => {
      const words = "the connection to the server was lost";
      lost.reject(
        sockets.wasTerminated()
          ? new SessionTerminated(`${words}: terminating connection due to administrator command`)
          : new SessionLost(words),
      );
      options.onLost?.();
    },
    // The types have no socket of one's own, and no list of hosts.
  } as object as postgres.Options<Record<string, never>>);
  // Parameters are given as text: the driver would make other text of it (of JSON, of booleans).
  for (const type of Object.keys(client.options.serializers)) {
    client.options.serializers[Number(type)] = (text: unknown) => text;
  }
  const { graceMs = ANSWER_AFTER_ABORT_MS } = options;
  // A cancel that nobody waits for is torn off half-way: PgBouncer 1.18 ends with "bad client state" then.
  const canceller = cancelOnAbort(graceMs === 0 ? undefined : options.signal, lost);
  const link = new Link(client, lost, canceller, options);
  // A connection that is not made yet owes no answer.
  const stopWaiting = giveUpAfterAbort(options.signal, lost, () => (link.isSent() ? graceMs : 0));
  const stopWatching = () => {
    stopWaiting();
    canceller.stop();
  };
  try {
    const first = await dialed.race(
      link.first(options.firstName ?? "look", firstQuery, { ...options, connectTimeoutMs }),
    );
    sockets.settle();
    const session = await link.reserve();
    const close = async () => {
      await session.close();
      stopWatching();
      sockets.destroy();
    };
    // What the handshake tells of a pooler is not always different from the server's own.
    const handshakePid = isPooled ? () => 0 : session.handshakePid;
    return {
      session: {
        ...session,
        handshakePid,
        localPorts: sockets.localPorts,
        remotes: sockets.remotes,
        close,
      },
      first,
    };
  } catch (error) {
    stopWatching();
    await closeClient(client, 0);
    sockets.destroy();
    const isRefused = target.ssl !== "prefer" && sockets.refusedTls();
    throw isRefused ? new TlsRefused(tls.askedBy, error) : error;
  }
}
