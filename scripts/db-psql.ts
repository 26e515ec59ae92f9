import { spawn } from "node:child_process";
import { acquireEmbeddedServer } from "../src/db/embedded/index.ts";
import { configuredUrl, DEV_DIR, script } from "./dev-server.ts";

await script(async () => {
  const url = configuredUrl();
  if (url !== undefined) return psql(url);
  const server = await acquireEmbeddedServer({
    dir: DEV_DIR,
    onProgress: (line) => console.error(line),
  });
  try {
    return await psql(server.url);
  } finally {
    await server.release();
  }
});

/** Hands the terminal to psql; without psql, says where the database is and how to get it. */
function psql(url: string): Promise<number> {
  return new Promise((resolve, reject) => {
    // Ctrl-C in psql cancels its query: this process must outlive it.
    process.on("SIGINT", () => undefined);
    const child = spawn("psql", [url, ...process.argv.slice(2)], { stdio: "inherit" });
    child.on("exit", (code) => resolve(code ?? 1));
    child.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "ENOENT") return reject(error);
      console.log(url);
      console.error(
        "psql is not on the PATH. Any client can use the URL above while the server runs (npm run db:start).\n" +
          "psql comes with postgresql-client (Debian, Ubuntu), libpq (Homebrew) or the PostgreSQL installer (Windows).",
      );
      resolve(1);
    });
  });
}
