import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, onTestFinished, test } from "vitest";
import { openSession } from "../../src/db/connection/session.ts";
import { createDatabase } from "../helpers/database.ts";

const MOST_MB = 5;

test("a session of 20,000 messages needs no more memory than a short one", async () => {
  const database = await createDatabase();
  onTestFinished(database.drop);
  const { session } = await openSession(
    {
      url: database.url,
      connectTimeoutMs: 5_000,
      onNotice: () => undefined,
      onFailpoint: undefined,
    },
    "select 1",
  );
  onTestFinished(session.close);
  const say = async (messages: number) => {
    for (let n = 0; n < messages; n += 1) await (await session.send("say", "select 1")).reply;
  };

  await say(1_000);
  const before = heapMb();
  await say(20_000);
  expect(heapMb() - before).toBeLessThan(MOST_MB);
});

function heapMb(): number {
  setFlagsFromString("--expose-gc");
  (runInNewContext("gc") as () => void)();
  return process.memoryUsage().heapUsed / 1024 / 1024;
}
