import { canAsk, confirmed } from "../src/cli/support/confirm.ts";
import { DEFAULT_DATABASE, destroyEmbeddedServer } from "../src/db/embedded/index.ts";
import { configuredUrl, DEV_DIR, script } from "./dev-server.ts";

await script(async () => {
  if (configuredUrl() !== undefined) {
    console.error(
      "DATABASE_URL is set, and db:reset deletes only the embedded development server's data. Nothing was deleted.",
    );
    return 2;
  }
  const problem = canAsk() ? undefined : problemOfScript(process.argv);
  if (problem !== undefined) {
    console.error(`${problem} Nothing was deleted.`);
    return 1;
  }
  const question = `Delete all data of the development server in ${DEV_DIR}? [y/N] `;
  if (!process.argv.includes("--yes") && !(await confirmed(question))) {
    console.error("Nothing was deleted.");
    return 1;
  }
  await destroyEmbeddedServer({ dir: DEV_DIR });
  console.log("Deleted the development database. npm run db:migrate creates a new one.");
  return 0;
});

/** Away from a terminal a script says what it deletes, so that none does it by habit. */
function problemOfScript(args: readonly string[]): string | undefined {
  const flags = `npm run db:reset -- --yes --database ${DEFAULT_DATABASE}`;
  if (!args.includes("--yes")) {
    return `Not a terminal, so nobody can confirm: ${flags} deletes without asking.`;
  }
  const named = args[args.indexOf("--database") + 1];
  if (!args.includes("--database"))
    return `Not a terminal, so the database must be named: ${flags}`;
  if (named === DEFAULT_DATABASE) return undefined;
  return `The development server's database is ${DEFAULT_DATABASE}, not ${named ?? "nothing"}.`;
}
