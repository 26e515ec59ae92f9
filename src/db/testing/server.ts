import { testDatabaseUrl } from "../../config.ts";

export interface Server {
  readonly url: string;
  /** Gives back what was started or joined for it. */
  readonly release: () => Promise<void>;
}

/** The embedded server for tests of the folder that the tests run in. */
export const EMBEDDED_TEST_SERVER = {
  dir: ".tidemark/test",
  database: "postgres",
  // Nothing here is worth keeping: durability would only cost time.
  settings: { fsync: "off", full_page_writes: "off", max_connections: "300" },
} as const;

/** The server that is given, else the environment's, else an embedded one. */
export async function findServer(url: string | undefined): Promise<Server> {
  const given = url ?? testDatabaseUrl();
  if (given !== undefined) return { url: given, release: async () => undefined };
  // Loaded by those who need it: it is most of the code.
  const { acquireEmbeddedServer } = await import("../embedded/index.ts");
  const server = await acquireEmbeddedServer(EMBEDDED_TEST_SERVER);
  return { url: server.url, release: () => server.release() };
}
