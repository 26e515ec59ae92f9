import { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { createAdaptorServer } from "@hono/node-server";
import type { Hono } from "hono";
import { MigrateError } from "../db/migrate/index.ts";

export interface HttpServer {
  readonly port: number;
  /** Accepts no new connections, and gives running requests this time. */
  readonly close: (graceMs: number) => Promise<void>;
}

/** What a client can use of the server. */
export interface HttpLimits {
  /** Bound on sending a request's headers, from the start of the connection or of the request. */
  readonly headersMs: number;
  /** Bound on sending a whole request. */
  readonly requestMs: number;
  /** Limit for a connection whose open request makes no progress. */
  readonly silenceMs: number;
  /** How long a connection is kept open for the next request. */
  readonly keepAliveMs: number;
  /** How often the first two are checked. */
  readonly checkMs: number;
}

export const HTTP_LIMITS: HttpLimits = {
  headersMs: 10_000,
  requestMs: 30_000,
  silenceMs: 60_000,
  // Longer than load balancers keep theirs (60 s): otherwise they send into one that is just closing.
  keepAliveMs: 65_000,
  checkMs: 2_000,
};

export interface ListenOptions {
  readonly host: string;
  readonly port: number;
  /** The variables that both come from, for the remedy. */
  readonly variables: string;
  /** Most connections at once; more are closed immediately. */
  readonly maxConnections: number;
  /** Called for the first connection closed for that, and again after a minute. */
  readonly onFull: () => void;
  readonly limits?: HttpLimits;
}

const SAY_FULL_EVERY_MS = 60_000;

/**
 * Listens.
 *
 * @throws MigrateError `config` if it cannot listen on the address
 */
export function listen(app: Hono, options: ListenOptions): Promise<HttpServer> {
  const { host, port, variables } = options;
  return new Promise((resolve, reject) => {
    const server = createServer(app, options);
    server.once("error", (cause: NodeJS.ErrnoException) =>
      reject(
        new MigrateError({
          code: "config",
          fact: `Cannot listen on ${host}:${port}: ${cause.message}.`,
          remedy: `Set ${variables} to a free one.`,
          cause,
        }),
      ),
    );
    server.listen(port, host, () => {
      const { port: found } = server.address() as AddressInfo;
      resolve({ port: found, close: (graceMs) => close(server, graceMs) });
    });
  });
}

function createServer(
  app: Hono,
  { host, maxConnections, onFull, limits = HTTP_LIMITS }: ListenOptions,
): Server {
  const server = createAdaptorServer({
    fetch: app.fetch,
    // For requests of HTTP/1.0, which may name no host.
    hostname: host,
    serverOptions: {
      headersTimeout: limits.headersMs,
      requestTimeout: limits.requestMs,
      keepAliveTimeout: limits.keepAliveMs,
      connectionsCheckingInterval: limits.checkMs,
    },
  });
  if (!(server instanceof Server)) throw new TypeError("not a server of HTTP/1");
  server.setTimeout(limits.silenceMs);
  server.maxConnections = maxConnections;
  let saidAt = Number.NEGATIVE_INFINITY;
  server.on("drop", () => {
    if (performance.now() < saidAt + SAY_FULL_EVERY_MS) return;
    saidAt = performance.now();
    onFull();
  });
  return server;
}

function close(server: Server, graceMs: number): Promise<void> {
  return new Promise((resolve) => {
    const force = setTimeout(() => server.closeAllConnections(), graceMs);
    server.close(() => {
      clearTimeout(force);
      resolve();
    });
  });
}
