import postgres from "postgres";
import { expect, test } from "vitest";
import { acquireEmbeddedServer } from "../../src/db/embedded/index.ts";
import { DatabaseMigrator, type Progress } from "../../src/db/migrate/index.ts";
import { withFolder } from "../helpers/embedded-folder.ts";
import { historyFolder } from "../helpers/history.ts";

test("a commit that waits for a standby is named", { timeout: 60_000 }, async () => {
  await withFolder(async (dir) => {
    const { url } = await acquireEmbeddedServer({ dir, database: "postgres" });
    const folder = await historyFolder({ "0000_a": "create table a (id int);" });
    const sql = postgres(url, { max: 1, onnotice: () => undefined });
    const standbys = async (names: string) => {
      await sql.unsafe(`alter system set synchronous_standby_names = '${names}'`);
      await sql`select pg_reload_conf()`;
      await expect
        .poll(async () => (await sql`show synchronous_standby_names`)[0])
        .toEqual({ synchronous_standby_names: names });
    };
    await new DatabaseMigrator({ url, dir: folder.dir }).migrate();
    await folder.write("0001_b", "create table b (id int);");
    await folder.list(["0000_a", "0001_b"]);
    await standbys("nobody");
    const seen: Progress[] = [];
    const run = new DatabaseMigrator({ url, dir: folder.dir }).migrate({
      onProgress: (item) => seen.push(item),
    });
    run.catch(() => undefined);
    const waits = () => seen.find(({ kind }) => kind === "commit-waits");
    await expect
      .poll(waits, { timeout: 20_000 })
      .toEqual({ kind: "commit-waits", tag: "0001_b", standbys: "nobody" });
    await standbys("");
    expect(await run).toMatchObject({ outcome: "applied" });
    await sql.end();
    await folder.remove();
  });
});
