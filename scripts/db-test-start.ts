/**
 * `npm run db:test:start`: a server for tests that stays until db:test:stop. The last line on
 * stdout is `TEST_DATABASE_URL=…`, everything else goes to stderr:
 *
 *   export $(npm run -s db:test:start | tail -1)
 *
 * TEST_PG_IMAGE names another image; TEST_PG_PROVIDER=embedded leaves Docker out.
 */
import { keepEmbeddedServer } from "../src/db/embedded/index.ts";
import { EMBEDDED_TEST_SERVER } from "../src/db/testing/find-server.ts";
import { PROJECT, script, TEST_DIR } from "./dev-server.ts";
import { startContainer } from "./test-container.ts";

const DEFAULT_IMAGE = "postgres:18-alpine";

await script(async () => {
  const url = (await inDocker()) ?? (await embedded());
  console.error("npm run db:test:stop stops it and deletes its data.");
  console.log(`TEST_DATABASE_URL=${url}`);
  return 0;
});

async function inDocker(): Promise<string | undefined> {
  if (process.env.TEST_PG_PROVIDER === "embedded") return undefined;
  const image = process.env.TEST_PG_IMAGE || DEFAULT_IMAGE;
  const outcome = await startContainer({ project: PROJECT, image, onProgress: say });
  if (outcome.kind === "unavailable") {
    say(`Using the embedded PostgreSQL instead of Docker: ${outcome.reason}.`);
    return undefined;
  }
  say(`PostgreSQL (${image}, in Docker) ${outcome.started ? "started" : "is already running"}.`);
  return outcome.url;
}

async function embedded(): Promise<string> {
  const server = await keepEmbeddedServer({
    ...EMBEDDED_TEST_SERVER,
    dir: TEST_DIR,
    onProgress: say,
  });
  const how = server.started ? "started" : "is already running";
  say(`PostgreSQL ${server.version} (embedded) ${how} on port ${server.port}.`);
  return server.url;
}

function say(line: string): void {
  console.error(line);
}
