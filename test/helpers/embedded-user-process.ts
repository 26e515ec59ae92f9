/**
 * A process that uses an embedded server, for tests that need several of them: see embedded-users.ts.
 * Reads words from its standard input, a line each, and answers each with a line of JSON.
 */
import { createInterface } from "node:readline";
import { isServerError, openSession } from "../../src/db/connection/session.ts";
import {
  acquireEmbeddedServer,
  type EmbeddedServer,
  EmbeddedServerError,
} from "../../src/db/embedded/index.ts";

const options = JSON.parse(process.argv[2] ?? "{}");
let server: EmbeddedServer | undefined;

const words: Readonly<Record<string, () => Promise<unknown>>> = {
  async acquire() {
    server = await acquireEmbeddedServer(options);
    return { port: server.port, started: server.started, version: await queryVersion(server) };
  },
  async release() {
    await server?.release();
    return {};
  },
  /** Comes and goes as fast as it can; the answer is how often it was the one to start. */
  async churn() {
    let starts = 0;
    for (let round = 0; round < 6; round++) {
      const joined = await acquireEmbeddedServer(options);
      await queryVersion(joined);
      await joined.release();
      starts += joined.started ? 1 : 0;
    }
    return { starts };
  },
};

async function queryVersion({ url }: EmbeddedServer): Promise<unknown> {
  const { session, first } = await openSession(
    { url, connectTimeoutMs: 10_000, onNotice: () => undefined, onFailpoint: undefined },
    "show server_version",
  );
  await session.close();
  return isServerError(first) ? "" : first.rows[0]?.server_version;
}

function answer(line: unknown): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

answer({ ready: true });
for await (const word of createInterface({ input: process.stdin })) {
  try {
    answer(await words[word]?.());
  } catch (error) {
    const code = error instanceof EmbeddedServerError ? error.code : "other";
    answer({ error: { code, message: error instanceof Error ? error.message : String(error) } });
  }
}
