import { expect, test, vi } from "vitest";
import { createReads } from "../../src/app/aggregates.ts";
import { createApi } from "../../src/app/api/index.ts";
import { useUsers } from "../helpers/users.ts";

const app = useUsers({ database: "each" });

async function askForUsers(onDefect: () => void) {
  const { commands, pool, store } = app;
  const services = { commands, reads: createReads({ pool, store }), waitFor: async () => true };
  const token = undefined;
  const api = createApi({ services: () => services, instance: "test", token, onDefect });
  const response = await api.request("/users");
  return { status: response.status, text: await response.text() };
}

test("without its database it says that, and nothing of it", async () => {
  await app.pool.close();
  const { status, text } = await askForUsers(() => expect.unreachable());
  expect(status).toBe(503);
  expect(JSON.parse(text)).toMatchObject({ code: "unavailable", detail: "Try again in a moment." });
});

test("where something breaks, that is logged and not shown", async () => {
  await app.pool.query("alter table projections.users rename to elsewhere");
  const defects = vi.fn();
  const { status, text } = await askForUsers(defects);
  expect(status).toBe(500);
  expect(JSON.parse(text)).toMatchObject({ code: "internal" });
  expect(text).not.toMatch(/projections|relation|select/i);
  expect(defects).toHaveBeenCalledOnce();
});
