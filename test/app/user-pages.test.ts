import { expect, test, vi } from "vitest";
import { createReads } from "../../src/app/aggregates.ts";
import type { Reader } from "../../src/app/reader.ts";
import { createRoutes } from "../../src/app/routes.ts";
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
