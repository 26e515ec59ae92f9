import { expect, test } from "vitest";
import { acquireEmbeddedServer } from "../../src/db/embedded/index.ts";
import { DatabaseMigrator } from "../../src/db/migrate/index.ts";
import { isListening, postmasterPid, queryOne, withFolder } from "../helpers/embedded-folder.ts";
import { historyFolder } from "../helpers/history.ts";
import { until } from "../helpers/until.ts";

test.each([
  ["fast shutdown, which says what an administrator's end of a session says", "SIGINT"],
  ["immediate shutdown", "SIGQUIT"],
] as const)(
  "a server's %s is survived: the run goes on when it is back",
  { timeout: 120_000 },
  async (_, signal) => {
    await withFolder(async (dir) => {
      const { url, port } = await acquireEmbeddedServer({ dir, database: "postgres" });
      const folder = await historyFolder({
        "0000_a": "create table a (id int);",
        "0001_b": "select pg_sleep(3); insert into a values (1);",
      });
      const kinds: string[] = [];
      const run = new DatabaseMigrator({ url, dir: folder.dir, connectTimeoutMs: 60_000 }).migrate({
        onProgress: ({ kind }) => kinds.push(kind),
      });
      run.catch(() => undefined);
      const isAsleep = async () => {
        const { n } = await queryOne<{ n: number }>(
          url,
          "select count(*)::int as n from pg_stat_activity where wait_event = 'PgSleep'",
        );
        return n === 1;
      };
      await until(isAsleep).toBe(true);
      process.kill(await postmasterPid(dir), signal);
      await until(() => isListening(port)).toBe(false);
      const after = await acquireEmbeddedServer({ dir, database: "postgres" });
      expect(after.port).toBe(port);
      expect(await run).toMatchObject({ outcome: "applied" });
      expect(kinds).toContain("reconnecting");
      expect(await queryOne(after.url, "select count(*)::int as n from a")).toEqual({ n: 1 });
      await folder.remove();
    });
  },
);
