import { keepEmbeddedServer } from "../src/db/embedded/index.ts";
import { configuredUrl, DEV_DIR, script } from "./dev-server.ts";

await script(async () => {
  if (configuredUrl() !== undefined) {
    console.error("DATABASE_URL is set: the commands use that server, and none is started.");
    return 0;
  }
  const server = await keepEmbeddedServer({
    dir: DEV_DIR,
    onProgress: (line) => console.error(line),
  });
  const how = server.started ? "started" : "is already running";
  console.log(
    `PostgreSQL ${server.version} ${how} on port ${server.port}. npm run db:stop stops it.`,
  );
  console.log(server.url);
  return 0;
});
