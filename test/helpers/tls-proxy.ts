import { readFileSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { createSecureContext, type TLSSocket, TLSSocket as Tls } from "node:tls";

const FIXTURES = "test/fixtures/tls";

/** Paths of the authority and of a client's certificate that it signed. */
export const CERTIFICATES = {
  authority: `${FIXTURES}/ca.pem`,
  client: `${FIXTURES}/client.pem`,
  clientKey: `${FIXTURES}/client.key`,
};

export interface TlsProxy {
  readonly port: number;
  /** Of each encrypted connection: the name on the client's certificate, `none` without one. */
  readonly clients: readonly string[];
  /** Connections that came without a request for TLS. */
  readonly plain: () => number;
  readonly close: () => Promise<void>;
}

const REQUEST_BYTES = 8;
const REQUEST_CODE = 80_877_103;

/**
 * Speaks TLS for a PostgreSQL that has none, as a pooler or a platform's gateway does. Its
 * certificate is for the address 127.0.0.1, not for the name localhost.
 */
export async function tlsProxy(target: string): Promise<TlsProxy> {
  const { hostname, port } = new URL(target);
  const read = (name: string) => readFileSync(`${FIXTURES}/${name}`);
  const secureContext = createSecureContext({
    ca: read("ca.pem"),
    cert: read("server.pem"),
    key: read("server.key"),
  });
  const clients: string[] = [];
  const sockets = new Set<Socket>();
  let plain = 0;

  const join = (client: Socket | TLSSocket, first?: Buffer) => {
    const upstream = connect(Number(port), hostname);
    if (first !== undefined) upstream.write(first);
    client.pipe(upstream).pipe(client);
    client.on("error", () => upstream.destroy());
    upstream.on("error", () => client.destroy());
  };

  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => socket.destroy());
    socket.on("close", () => sockets.delete(socket));
    socket.once("data", (first: Buffer) => {
      if (first.length !== REQUEST_BYTES || first.readInt32BE(4) !== REQUEST_CODE) {
        plain += 1;
        join(socket, first);
        return;
      }
      socket.write("S");
      const secure = new Tls(socket, { isServer: true, secureContext, requestCert: true });
      secure.on("error", () => socket.destroy());
      secure.once("secure", () => {
        clients.push(String(secure.getPeerCertificate().subject?.CN ?? "none"));
        join(secure);
      });
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : 0,
    clients,
    plain: () => plain,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
