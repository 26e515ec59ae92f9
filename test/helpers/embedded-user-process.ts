/**
 * A process that uses an embedded server, for tests that need several of them: see embedded-users.ts.
 * Reads words from its standard input, a line each, and answers each with a line of JSON.
 */
import { once } from "node:events";
import { createInterface } from "node:readline";
import postgres from "postgres";
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

async function queryVersion(joined: EmbeddedServer): Promise<string> {
  const lost = new AbortController();
  const onclose = () => lost.abort();
  const sql = postgres(joined.url, { max: 1, fetch_types: false, ssl: false, onclose });
  try {
    // postgres.js never answers some queries of a lost connection.
    const answered = sql.unsafe<{ server_version: string }[]>("show server_version");
    const [row] = await Promise.race([answered, once(lost.signal, "abort")]);
    return row?.server_version ?? "";
  } finally {
    await sql.end({ timeout: 1 });
  }
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
