import type { Hono } from "hono";
import { MigrateError } from "../db/migrate/index.ts";
import type { ApiOptions } from "./api/index.ts";
import type { AppConfig, ManagementAddress } from "./config.ts";
import { urlOf } from "./hosts.ts";
import type { Log } from "./log.ts";
import type { Reader } from "./reader.ts";
import { createRoutes } from "./routes.ts";
import { type HttpServer, listen } from "./server.ts";

// One person reads the details, or a few.
const MAX_READERS = 100;

/**
 * Listens for the public, and for those who may see the details: on their own port, unless
 * in development only this machine can reach the first one.
 *
 * @throws MigrateError `config` if it cannot listen on an address
 */
export async function openListeners(
  config: AppConfig,
  reader: Reader,
  log: Log,
  api: ApiOptions,
): Promise<Pick<HttpServer, "close">> {
  const { host, port, maxConnections, management } = config;
  const routes = createRoutes(reader, management === undefined ? "details" : "state", api);
  const open = await listen(routes, {
    host,
    port,
    variables: "PORT (or HOST)",
    maxConnections,
    onFull: () =>
      log.warn(`${maxConnections} connections are open (MAX_CONNECTIONS): new ones are closed`),
  });
  log.info({ port: open.port }, `listening on ${urlOf(host, open.port)}`);
  if (management === undefined) return open;
  try {
    const details = await openDetails(management, host, createRoutes(reader, "details", api), log);
    return {
      close: async (graceMs) => {
        await Promise.all([open.close(graceMs), details?.close(graceMs)]);
      },
    };
  } catch (error) {
    await open.close(0);
    throw error;
  }
}

async function openDetails(
  { host, port, because }: ManagementAddress,
  openHost: string,
  routes: Hono,
  log: Log,
): Promise<HttpServer | undefined> {
  try {
    const details = await listen(routes, {
      host,
      port,
      variables: "MANAGEMENT_PORT (or MANAGEMENT_HOST)",
      maxConnections: MAX_READERS,
      onFull: () =>
        log.warn(`${MAX_READERS} connections to the details are open: new ones are closed`),
    });
    const why =
      because === "open-host" ? `, because other machines can reach HOST=${openHost}` : "";
    log.info({ managementPort: details.port }, `details on ${urlOf(host, details.port)}${why}`);
    return details;
  } catch (error) {
    // It was not asked for: not a reason to stop serving.
    if (because === "given" || !(error instanceof MigrateError)) throw error;
    log.warn(`no details over HTTP: ${error.message}`);
    return undefined;
  }
}
