import { Socket } from "node:net";
import type { Target } from "./target.ts";

/** A socket on its way to the server. `destroy()` it to give up; `connected` then rejects. */
export interface Dialing {
  readonly socket: Socket;
  readonly connected: Promise<Socket>;
}

export function dial(target: Target): Dialing {
  const socket = new Socket();
  // For TLS, which postgres.js starts on this socket, to know the name on the certificate.
  Object.assign(socket, { host: target.host, port: target.port });
  const connected = new Promise<Socket>((resolve, reject) => {
    socket.once("connect", () => resolve(socket));
    // For good: no error of a socket may be without a listener, whoever else listens.
    socket.on("error", reject);
    socket.once("close", () => reject(new Error("the socket was closed")));
  });
  if (target.socketPath === undefined) socket.connect(target.port, target.host);
  else socket.connect(target.socketPath);
  return { socket, connected };
}
