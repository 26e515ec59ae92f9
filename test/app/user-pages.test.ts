import { expect, test, vi } from "vitest";
import { createReads } from "../../src/app/aggregates.ts";
import { createLog } from "../../src/app/log.ts";
import type { Reader } from "../../src/app/reader.ts";
import { createRoutes } from "../../src/app/routes.ts";
import { startWork } from "../../src/app/work.ts";
import { appendRaw } from "../helpers/raw-events.ts";
import { useUsers } from "../helpers/users.ts";

const app = useUsers({ database: "each" });

function open() {
  const { commands, pool, store } = app;
  const services = { commands, reads: createReads({ pool, store }), waitFor: async () => true };
  const onDefect = vi.fn();
  const options = { services: () => services, instance: "i", token: undefined, onDefect };
  const routes = createRoutes({} as Reader, "details", options);
  const page = (path: string) =>
    routes.request(path, { headers: { host: "localhost", accept: "text/html" } });
  return { page, onDefect };
}

test.each([
  ["/users?instance=%00", 422],
  ["/users?after=%00", 422],
  ["/users/%00/events", 422],
  ["/users/x/events?after=1e300", 404],
  ["/users/x/events?after=Infinity", 404],
  ["/users/__proto__/events", 404],
  ["/users?instance=__proto__", 200],
])("the page %s is answered with %i, and is no defect", async (path, status) => {
  const { page, onDefect } = open();
  expect((await page(path)).status).toBe(status);
  expect(onDefect).not.toHaveBeenCalled();
});

test("a page that fails is logged as everything else, and its values are printed nowhere", async () => {
  const printed = vi.spyOn(console, "error");
  const { page, onDefect } = open();
  await app.pool.query("drop table projections.users cascade");
  const response = await page("/users?instance=a-secret");
  expect(response.status).toBe(500);
  expect(await response.text()).not.toMatch(/a-secret|projections/);
  expect(onDefect).toHaveBeenCalledExactlyOnceWith(expect.anything(), {
    method: "GET",
    path: "/users",
  });
  expect(printed).not.toHaveBeenCalled();
  printed.mockRestore();
});

test("in development an event is checked against its schema when it is read", async () => {
  const { pool } = app;
  const payload = { username: "ada", name: "" };
  const event = { aggregateType: "user", id: "ada", type: "user.machine.added", payload };
  await appendRaw(pool, [event]);
  const log = await createLog({ logLevel: "fatal", appVersion: undefined }, { pretty: false });
  const reading = async (checkReads: boolean) => {
    const work = startWork({ pool, log, checkReads });
    const { events } = work.services.reads.users;
    const page = events({ instanceId: "i1", id: "ada" }, { after: 0, limit: 10 });
    const found = await page.catch((error: unknown) => error);
    await work.stop(2_000);
    return found;
  };
  expect(await reading(true)).toMatchObject({ code: "invalid_event" });
  expect(await reading(false)).toMatchObject([{ payload }]);
});
