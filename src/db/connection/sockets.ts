import { Socket } from "node:net";
import { LONGEST_TIMER_MS } from "../base/backoff.ts";

/** Where the driver would connect to, as it has read the URL. */
export interface DriverTarget {
  readonly host: readonly string[];
  readonly port: readonly number[];
  /** A Unix socket's; false or empty where there is none. */
  readonly path?: string | false;
}

/** Where a socket leads to; of a Unix socket only the path. */
export interface Remote {
  readonly address: string;
  readonly port: number | undefined;
}

/** The sockets of one client of the driver, which itself has no way to take them down. */
export interface Sockets {
  /** For the driver: connects to the next host that accepts, after `settle` to the same one. */
  readonly open: (target: DriverTarget) => Promise<Socket>;
  /** The session is on the host that was connected last: a cancel has to go there. */
  readonly settle: () => void;
  /** This machine's port of each that is connected. */
  readonly localPorts: () => readonly number[];
  /** Where each that is connected leads to. */
  readonly remotes: () => readonly Remote[];
  /** Takes them all down at once, whatever the server does. */
  readonly destroy: () => void;
  /** The server said no when it was asked for TLS. */
  readonly refusedTls: () => boolean;
  /**
   * The last that came was the server's word that an administrator ends the session. The driver keeps that to itself.
   * Not known of a connection with TLS.
   */
  readonly wasTerminated: () => boolean;
}

// The answer to a request for TLS: one byte.
const NO_TLS = "N".charCodeAt(0);

/** @param timeoutMs bound on the way to each host */
export function createSockets(timeoutMs: number): Sockets {
  const sockets = new Set<Socket>();
  // TLS takes a socket's handle over, and then it does not tell.
  const ports = new Map<Socket, number>();
  const remotes = new Map<Socket, Remote>();
  let refusedTls = false;
  let last: Buffer | undefined;
  let destroyed = false;
  let next = 0;
  let isSettled = false;

  const dial = (target: DriverTarget, index: number) =>
    new Promise<Socket>((resolve, reject) => {
      const host = target.host[index] ?? "localhost";
      const port = target.port[index] ?? 5432;
      const socket = new Socket();
      sockets.add(socket);
      // For TLS, which the driver starts on this socket, to know the name on the certificate.
      Object.assign(socket, { host, port });
      const timer = setTimeout(
        () => fail(timedOut(target.path || `${host}:${port}`)),
        Math.min(Math.max(timeoutMs, 1), LONGEST_TIMER_MS),
      );
      const fail = (error: Error) => {
        clearTimeout(timer);
        socket.destroy();
        reject(error);
      };
      // For good: no error of a socket may be without a listener.
      socket.on("error", fail);
      socket.once("close", () => {
        clearTimeout(timer);
        sockets.delete(socket);
        ports.delete(socket);
        remotes.delete(socket);
        reject(
          Object.assign(new Error("the connection was closed"), { code: "CONNECTION_CLOSED" }),
        );
      });
      socket.once("connect", () => {
        clearTimeout(timer);
        if (socket.localPort !== undefined) ports.set(socket, socket.localPort);
        const { remoteAddress = "", remotePort } = socket;
        remotes.set(
          socket,
          target.path
            ? { address: target.path, port: undefined }
            : { address: remoteAddress, port: remotePort },
        );
        resolve(socket);
      });
      socket.on("data", (bytes: Buffer) => {
        last = bytes;
      });
      socket.once("data", (bytes: Buffer) => {
        if (bytes.length === 1 && bytes[0] === NO_TLS) refusedTls = true;
      });
      if (target.path) socket.connect(target.path);
      else socket.connect(port, host);
    });

  return {
    open: async (target) => {
      const hosts = target.host.length;
      let last: unknown = new Error("the session was closed");
      for (let n = 0; n < hosts && !destroyed; n += 1) {
        const index = (isSettled ? next + hosts - 1 : next) % hosts;
        if (!isSettled) next = index + 1;
        try {
          return await dial(target, index);
        } catch (error) {
          last = error;
        }
      }
      throw last;
    },
    settle: () => {
      isSettled = true;
    },
    localPorts: () => [...sockets].flatMap((socket) => ports.get(socket) ?? []),
    remotes: () => [...remotes.values()],
    destroy: () => {
      destroyed = true;
      for (const socket of sockets) socket.destroy();
    },
    refusedTls: () => refusedTls,
    wasTerminated: () => last !== undefined && endsWithTermination(last),
  };
}

const ERROR_RESPONSE = "E".charCodeAt(0);
const TERMINATED = Buffer.from("\0C57P01\0");
/** Longer is no word of the server's about itself. */
const LONGEST_WORD = 1_024;

/** Whether bytes of the protocol end with an ErrorResponse of SQLSTATE 57P01. */
function endsWithTermination(bytes: Buffer): boolean {
  const tail = bytes.subarray(-LONGEST_WORD);
  const at = tail.lastIndexOf(TERMINATED);
  if (at < 0) return false;
  for (let start = at; start >= 0; start -= 1) {
    const isWhole = tail[start] === ERROR_RESPONSE && start + 5 <= tail.length;
    if (isWhole && tail.readUInt32BE(start + 1) === tail.length - start - 1) return true;
  }
  return false;
}

function timedOut(place: string): Error {
  return Object.assign(new Error(`no answer from ${place}`), { code: "CONNECT_TIMEOUT" });
}
