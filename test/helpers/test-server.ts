import { mkdtemp, rm, statfs } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { errorCode } from "../../src/db/base/problem.ts";
import { acquireEmbeddedServer, destroyEmbeddedServer } from "../../src/db/embedded/index.ts";
import { EMBEDDED_TEST_SERVER } from "../../src/db/testing/find-server.ts";

export interface TestServer {
  /** A superuser's URL, database `postgres`. */
  readonly url: string;
  readonly stop: () => Promise<void>;
}

const DEFAULT_IMAGE = "postgres:18-alpine";

/**
 * The server that the tests run on: `TEST_DATABASE_URL`, else `DATABASE_URL`, where one is
 * set (databases and roles of the tests' own are made there, and dropped); a container
 * where `TEST_PG_PROVIDER=testcontainers`, of the image `TEST_PG_IMAGE`; else an
 * embedded server of the run's own.
 */
export async function startTestServer(): Promise<TestServer> {
  const given = process.env.TEST_DATABASE_URL ?? process.env.DATABASE_URL;
  if (given) return { url: given, stop: async () => undefined };
  const provider = process.env.TEST_PG_PROVIDER ?? "embedded";
  switch (provider) {
    case "embedded":
      return startEmbedded();
    case "testcontainers":
      return startContainer(process.env.TEST_PG_IMAGE ?? DEFAULT_IMAGE);
    default:
      throw new Error(
        `TEST_PG_PROVIDER is ${provider}: it must be embedded or testcontainers; or set TEST_DATABASE_URL.`,
      );
  }
}

async function startEmbedded(): Promise<TestServer> {
  const dir = await mkdtemp(join(await fastFolder(), "tidemark-test-"));
  const server = await acquireEmbeddedServer({
    ...EMBEDDED_TEST_SERVER,
    // In memory a gigabyte of old WAL would be one of memory.
    settings: { ...EMBEDDED_TEST_SERVER.settings, max_wal_size: "256MB" },
    dir,
  });
  return {
    url: server.url,
    stop: async () => {
      await server.release();
      await destroyEmbeddedServer({ dir });
      await rm(dir, { recursive: true, force: true });
    },
  };
}

/** Memory, where there is plenty: on a disk that is busy, making a database takes ten times as long. */
async function fastFolder(): Promise<string> {
  try {
    const { bavail, bsize } = await statfs(SHARED_MEMORY);
    if (bavail * bsize > LEAST_MEMORY) return SHARED_MEMORY;
  } catch (error) {
    if (errorCode(error) !== "ENOENT") throw error;
  }
  return tmpdir();
}

const SHARED_MEMORY = "/dev/shm";
const LEAST_MEMORY = 8 * 2 ** 30;

async function startContainer(image: string): Promise<TestServer> {
  // Loaded by those who ask for it alone: it takes most of a second.
  const { GenericContainer, Wait } = await import("testcontainers");
  const container = await new GenericContainer(image)
    .withEnvironment({ POSTGRES_PASSWORD: "tidemark" })
    .withCommand(["postgres", "-c", "fsync=off", "-c", "max_connections=300"])
    .withExposedPorts(5432)
    .withWaitStrategy(Wait.forLogMessage(/database system is ready to accept connections/, 2))
    .start();
  return {
    url: `postgres://postgres:tidemark@${container.getHost()}:${container.getMappedPort(5432)}/postgres`,
    stop: async () => {
      await container.stop();
    },
  };
}
