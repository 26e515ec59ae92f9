import { createInterface } from "node:readline/promises";
import { destroyEmbeddedServer } from "../src/db/embedded/index.ts";
import { configuredUrl, DEV_DIR, script } from "./dev-server.ts";

await script(async () => {
  if (configuredUrl() !== undefined) {
    console.error(
      "DATABASE_URL is set, and db:reset deletes only the embedded development server's data. Nothing was deleted.",
    );
    return 2;
  }
  if (!process.argv.includes("--yes") && !(await confirmed())) {
    console.error("Nothing was deleted.");
    return 1;
  }
  await destroyEmbeddedServer({ dir: DEV_DIR });
  console.log("Deleted the development database. npm run db:migrate creates a new one.");
  return 0;
});

async function confirmed(): Promise<boolean> {
  if (!process.stdin.isTTY) {
    console.error(
      "Not a terminal, so nobody can confirm: npm run db:reset -- --yes deletes without asking.",
    );
    return false;
  }
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  const answer = await terminal.question(
    `Delete all data of the development server in ${DEV_DIR}? [y/N] `,
  );
  terminal.close();
  return /^y(es)?$/i.test(answer.trim());
}
