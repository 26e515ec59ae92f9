import { expect, test } from "vitest";
import { DatabaseMigrator, type Progress, type RunningNow } from "../../src/db/migrate/index.ts";
import { useProject } from "../helpers/project-fixture.ts";

const shop = useProject();

test("what the server is at is told while it builds an index, by the run and by status of any process", async () => {
  await shop.tidemark("migrate");
  await shop.project.write(
    "drizzle/0003_index.sql",
    "create index concurrently by_body on notes (body);",
  );
  await shop.project.list([
    "0000_create_notes",
    "0001_add_author",
    "0002_first_note",
    "0003_index",
  ]);
  const writer = await shop.database.sql.reserve();
  await writer.unsafe("begin; insert into notes (body, author) values ('not yet', 'x')");
  let shown = "";
  let blind: RunningNow | undefined;
  const told: Progress[] = [];
  const migrator = new DatabaseMigrator({
    url: shop.database.url,
    dir: `${shop.project.root}/drizzle`,
  });
  // Its second connection is ended before it can ask what the server is at.
  const cutOff = new DatabaseMigrator(
    { url: shop.database.url, dir: `${shop.project.root}/drizzle` },
    {
      onFailpoint: async ({ phase, message }) => {
        if (phase !== "before" || message !== "blockers") return;
        await shop.database.sql`select pg_terminate_backend(pid) from pg_stat_activity
          where datname = current_database() and query = 'select 1'`;
      },
    },
  );
  await migrator.migrate({
    onProgress: (progress) => {
      if (progress.kind !== "working" || told.push(progress) > 1) return;
      void shop.tidemark("status").then(async (text) => {
        shown = text;
        blind = (await cutOff.status()).running;
        await writer.unsafe("commit");
        writer.release();
      });
    },
  });
  expect(told[0]).toMatchObject({
    tag: "0003_index",
    work: {
      command: "CREATE INDEX CONCURRENTLY",
      table: "public.notes",
      phase: "waiting for writers before build",
      total: 1,
    },
  });
  expect(shown).toMatch(
    /^0003_index, CREATE INDEX CONCURRENTLY by_body runs now, by .*: CREATE INDEX CONCURRENTLY on public\.notes: waiting for writers before build, 0 %, for <duration>\.\n {2}held up by pid \d+ .*: begin; insert/m,
  );
  expect(blind).toMatchObject({
    activity: "0003_index, CREATE INDEX CONCURRENTLY by_body",
    ...{ work: null, blockers: [] },
  });
  const { running } = await migrator.status();
  expect(running).toBeUndefined();
});
