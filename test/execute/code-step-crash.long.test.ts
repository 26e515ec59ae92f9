import { expect, test } from "vitest";
import { DatabaseMigrator } from "../../src/db/migrate/index.ts";
import type { Failpoint, MessageName } from "../../src/db/migrate/run-types.ts";
import { stepText, writeStep } from "../helpers/code-steps.ts";
import { createDatabase, useDatabase } from "../helpers/database.ts";
import { useHistory } from "../helpers/history.ts";
import { expectFoldToMatch } from "../helpers/ledger.ts";
import { runHerd, runInProcess, startRunner } from "../helpers/runner-process.ts";

const database = useDatabase();
const folder = useHistory({
  "0000_a": "create table a (n integer, by text);",
  "0001_b": "insert into a values (1, 'sql');",
  "0002_c": "insert into a values (3, 'sql');",
});

const step = stepText(`    await ctx.sql\`insert into a values (2, \${ctx.tag})\`;
    await ctx.sql\`update a set n = n where by = 'sql'\`;`);

const rows = async (sql = database.sql) =>
  (await sql`select n from a order by n`).map(({ n }) => n);

test("a runner killed at each failpoint around a step: the next one runs it again, and it counts once", async () => {
  await writeStep(folder.dir, "0001_b", step);
  const messages: MessageName[] = [];
  const onFailpoint = ({ phase, message }: Failpoint) => {
    if (phase === "before") messages.push(message);
  };
  await new DatabaseMigrator({ url: database.url, dir: folder.dir }, { onFailpoint }).migrate();
  expect(messages.slice(5)).toEqual([
    "start",
    "migration:0000_a",
    "migration:0001_b#1",
    "begin:0001_b#2",
    "code:0001_b",
    "code:0001_b",
    "end:0001_b#2",
    "migration:0002_c",
    "release",
  ]);
  for (const message of new Set(messages.slice(7, 13))) {
    for (const phase of ["before", "sent", "after"] as const) {
      const victim = await createDatabase();
      const options = { url: victim.url, dir: folder.dir };
      const end = await runInProcess({ options, failpoint: { phase, message } });
      expect(end.signal, `${phase} ${message}`).toBe("SIGKILL");
      const report = await new DatabaseMigrator(options).migrate();
      expect(report.version, `${phase} ${message}`).toBe("0002_c");
      expect(await rows(victim.sql), `${phase} ${message}`).toEqual([1, 2, 3]);
      await expectFoldToMatch(victim.url);
      await victim.drop();
    }
  }
});

test("a herd: one process runs the step, the others wait for it however long it takes", async () => {
  await writeStep(
    folder.dir,
    "0001_b",
    stepText(`    await ctx.sql\`insert into a values (2, \${ctx.tag})\`;
    await new Promise((resolve) => setTimeout(resolve, 4_000));`),
  );
  const ends = await runHerd(12, {
    options: { url: database.url, dir: folder.dir, connectTimeoutMs: 60_000 },
  });
  expect(ends.map(({ error }) => error)).toEqual(ends.map(() => undefined));
  expect(ends.filter(({ report }) => report?.outcome === "applied")).toHaveLength(1);
  expect(await rows()).toEqual([1, 2, 3]);
});

test("a step that asks nothing for longer than the server lets a transaction idle is kept alive", {
  timeout: 60_000,
}, async () => {
  await writeStep(
    folder.dir,
    "0001_b",
    stepText(`    await ctx.sql\`insert into a values (2, \${ctx.tag})\`;
    await new Promise((resolve) => setTimeout(resolve, 20_000));`),
  );
  await new DatabaseMigrator({ url: database.url, dir: folder.dir }).migrate();
  expect(await rows()).toEqual([1, 2, 3]);
  expect((await expectFoldToMatch(database.url)).rows.map(({ attempt }) => attempt)).toEqual([
    1, 1, 1,
  ]);
});

test("a frozen runner cannot commit its step: another has run it meanwhile", {
  timeout: 90_000,
}, async () => {
  await writeStep(folder.dir, "0001_b", step);
  const frozen = await startRunner();
  const options = { url: database.url, dir: folder.dir };
  frozen.start({
    options,
    failpoint: { phase: "before", message: "end:0001_b#2", signal: "SIGSTOP" },
  });
  await frozen.atFailpoint;
  expect(await new DatabaseMigrator(options).migrate()).toMatchObject({ outcome: "applied" });
  frozen.resume();
  const end = await frozen.end;
  expect(end.error).toBeUndefined();
  expect(await rows()).toEqual([1, 2, 3]);
});

test("a process that is killed while its step waits leaves nothing of it", async () => {
  await writeStep(
    folder.dir,
    "0001_b",
    stepText(`    await ctx.sql\`insert into a values (2, \${ctx.tag})\`;
    ctx.log("in it");
    await new Promise((resolve) => setTimeout(resolve, 60_000));`),
  );
  const runner = await startRunner();
  runner.start({ options: { url: database.url, dir: folder.dir } });
  await runner.seen("step-log");
  runner.child.kill("SIGKILL");
  await runner.end;
  await writeStep(folder.dir, "0001_b", step);
  await new DatabaseMigrator({ url: database.url, dir: folder.dir }).migrate();
  expect(await rows()).toEqual([1, 2, 3]);
});
