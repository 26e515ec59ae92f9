import { expect, test } from "vitest";
import { loadCode } from "../../src/db/migrate/code/load-code.ts";

const SUM = "sha256:00" as const;

test("code that awaits for ever while it is loaded is given up, and named", async () => {
  const text = "await new Promise(() => {});";
  const load = () => new Promise<never>(() => undefined);
  const code = {
    file: "drizzle/0001_a.ts",
    path: "/a.ts",
    text,
    checksum: SUM,
    sqlChecksum: SUM,
    load,
  };
  await expect(loadCode({ tag: "0001_a", code }, 20)).rejects.toMatchObject({
    code: "history_invalid",
    outcome: "nothing-run",
    fact: expect.stringContaining(
      "drizzle/0001_a.ts cannot be loaded: it has not been loaded after",
    ),
  });
});
