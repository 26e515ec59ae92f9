import type { AddressInfo } from "node:net";
import { type ServerType, serve } from "@hono/node-server";
import type { Hono } from "hono";
import { MigrateError } from "../db/migrate/index.ts";

export interface HttpServer {
  readonly port: number;
  /** Takes no new connections, and gives the requests that run the time. */
  readonly close: (graceMs: number) => Promise<void>;
}

/**
 * Listens.
 *
 * @throws MigrateError `config` where the address cannot be had
 */
export function listen(
  app: Hono,
  { host, port }: { readonly host: string; readonly port: number },
): Promise<HttpServer> {
  return new Promise((resolve, reject) => {
    const server = serve({ fetch: app.fetch, hostname: host, port }, (info: AddressInfo) =>
      resolve({ port: info.port, close: (graceMs) => close(server, graceMs) }),
    );
    server.once("error", (cause: NodeJS.ErrnoException) =>
      reject(
        new MigrateError({
          code: "config",
          fact: `Cannot listen on ${host}:${port}: ${cause.message}.`,
          remedy: "Set PORT (or HOST) to one that is free.",
          cause,
        }),
      ),
    );
  });
}

function close(server: ServerType, graceMs: number): Promise<void> {
  return new Promise((resolve) => {
    const force = setTimeout(() => {
      if ("closeAllConnections" in server) server.closeAllConnections();
    }, graceMs);
    server.close(() => {
      clearTimeout(force);
      resolve();
    });
  });
}
