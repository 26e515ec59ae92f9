import { testDatabaseUrl } from "../../config.ts";

export interface TestServer {
  readonly url: string;
  /** Gives the embedded server back, if one was started or joined. */
  readonly release: () => Promise<void>;
}

/** The embedded server for tests, in the folder that they run in. */
export const EMBEDDED_TEST_SERVER = {
  dir: ".tidemark/test",
  database: "postgres",
  // Nothing here is worth keeping: durability would only cost time.
  settings: { fsync: "off", full_page_writes: "off", max_connections: "300" },
} as const;

/** The given server, else the environment's, else an embedded one. */
export async function findServer(url: string | undefined): Promise<TestServer> {
  const given = url ?? testDatabaseUrl();
  if (given !== undefined) return { url: given, release: async () => undefined };
  // Loaded only when needed: it is most of the code.
  const { acquireEmbeddedServer, EmbeddedServerError } = await import("../embedded/index.ts");
  const server = await acquireEmbeddedServer(EMBEDDED_TEST_SERVER).catch((error: unknown) => {
    throw error instanceof EmbeddedServerError ? error.instead("tests") : error;
  });
  return { url: server.url, release: () => server.release() };
}
