import { spawn } from "node:child_process";
import { openSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { describe, expect, inject, test } from "vitest";
import { startTidemark } from "../helpers/cli.ts";
import { useDatabase } from "../helpers/database.ts";
import { countingHistory, useHistory } from "../helpers/history.ts";
import { numbersOf, SEED } from "../helpers/seed.ts";

/** The number; the gate asks for fewer. */
const RUNS = Number(process.env.HOSTILE_RUNS ?? 40);
const COUNT = 30;

const database = useDatabase();
const folder = useHistory(countingHistory(COUNT));

describe("a run that is told twice to end, at random moments", () => {
  test(`ends, and leaves what the next one goes on with (${RUNS} runs, HOSTILE_SEED=${SEED})`, {
    timeout: 60_000 + RUNS * 5_000,
  }, async () => {
    const random = numbersOf(SEED);
    for (const name of Object.keys(countingHistory(COUNT)).slice(1)) {
      await folder.write(name, `${countingHistory(COUNT)[name]}\nselect pg_sleep(0.03);`);
    }
    const env = { DATABASE_URL: database.url };
    const ends: (number | null)[] = [];
    for (let i = 0; i < RUNS; i += 1) {
      // Once all is applied there is nothing to disturb: the next round begins anew.
      const [done] =
        await database.sql`select to_regclass('ticks') is not null as "has", to_regclass('tidemark.runner') as r`;
      const [left] = done?.has
        ? await database.sql`select count(*)::int as n from ticks`
        : [{ n: 0 }];
      if (left?.n === COUNT - 1) {
        await expectEachOnce();
        await database.sql`drop schema tidemark, public cascade`;
        await database.sql`create schema public`;
      }
      const { child, end } = startTidemark(["migrate", "--dir", "."], { cwd: folder.dir, env });
      const signals = ["SIGINT", "SIGTERM"] as const;
      const pick = () => signals[random() < 0.5 ? 0 : 1];
      await setTimeout(200 + random() * 700);
      child.kill(pick());
      await setTimeout(random() * 60);
      child.kill(pick());
      const { code } = await end;
      ends.push(code ?? 130);
    }
    // Done before the signal came, or ended by it.
    expect(ends.filter((code) => ![0, 130, 143].includes(code ?? -1))).toEqual([]);
    const last = await startTidemark(["migrate", "--dir", "."], { cwd: folder.dir, env }).end;
    expect(last).toMatchObject({ code: 0 });
    await expectEachOnce();
  });

  async function expectEachOnce(): Promise<void> {
    const rows =
      await database.sql`select n, count(*)::int as times from ticks group by n order by n`;
    expect(rows).toEqual(Array.from({ length: COUNT - 1 }, (_, i) => ({ n: i + 1, times: 1 })));
  }
});

/** A command of the shell, and its exit code: a reader that goes away is no failure, a full disk behind results is. */
const PIPES: readonly (readonly [command: string, code: number])[] = [
  ["tidemark status --dir . | head -c 1", 0],
  ["tidemark status --dir . --json | true", 0],
  ["tidemark plan --dir . | head -c 1", 0],
  ["tidemark plan --dir . --json | true", 0],
  ["tidemark events --json | true", 0],
  ["tidemark --help | true", 0],
  ["tidemark status --dir . --json >/dev/full", 1],
  ["tidemark plan --dir . >/dev/full", 1],
  ["tidemark events --json >/dev/full", 1],
  // Node.js opens /dev/null in place of what is closed.
  ["tidemark status --dir . >&-", 0],
  ["tidemark status --dir . <&-", 0],
  ["tidemark status --dir . 2>&-", 0],
  ["tidemark nonsense 2>/dev/full", 2],
  ["tidemark nonsense 2>&-", 2],
  [
    "DATABASE_URL=postgres://127.0.0.1:1/x tidemark status --dir . --connect-timeout 1 2>/dev/full",
    1,
  ],
  ["tidemark status --dir . --no-such-option >&- 2>&-", 2],
];

test("what a command writes to may be closed, full or gone", async () => {
  const run = ([command]: (typeof PIPES)[number]) => {
    const cli = `"${process.execPath}" "${join(inject("build"), "cli/main.js")}"`;
    const { PATH = "", HOME = "" } = process.env;
    const child = spawn(
      "bash",
      ["-c", `set -o pipefail; tidemark() { ${cli} "$@"; }; ${command}`],
      {
        cwd: folder.dir,
        env: { PATH, HOME, DATABASE_URL: database.url },
        stdio: ["ignore", openSync("/dev/null", "w"), openSync("/dev/null", "w")],
      },
    );
    return new Promise<readonly [string, number | null]>((resolve) =>
      child.on("close", (code) => resolve([command, code])),
    );
  };
  const ends: (readonly [string, number | null])[] = [];
  for (const pipe of PIPES) ends.push(await run(pipe));
  expect(ends).toEqual(PIPES);
});
