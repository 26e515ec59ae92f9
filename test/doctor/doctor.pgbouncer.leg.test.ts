import { expect, onTestFinished, test } from "vitest";
import { examine } from "../../src/db/doctor/index.ts";
import { useDatabase } from "../helpers/database.ts";
import { THREE, useHistory } from "../helpers/history.ts";
import { startPgBouncer } from "../helpers/pgbouncer.ts";

const database = useDatabase();
const history = useHistory(THREE);

test("a pooler is seen, and says nothing of encryption", async () => {
  const pooler = await startPgBouncer([database.url], { default_pool_size: 1 });
  onTestFinished(pooler.stop);
  const url = pooler.through(database.url);
  const found = await examine({ url, dir: history.dir, connectTimeoutMs: 10_000 });
  const codes = found.filter(({ level }) => level !== "ok").map(({ code }) => code);
  expect(codes.filter((code) => code !== "durability")).toEqual(["connection"]);
});
