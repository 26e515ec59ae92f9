import { expect, inject, test } from "vitest";
import { findServer } from "../../src/backfills/server-address.ts";
import { resolveUrl } from "../../src/db/connection/driver-options.ts";

const { host, port, user, password, database } = resolveUrl(inject("serverUrl")).options;
const login = `${user}${password === undefined ? "" : `:${encodeURIComponent(password)}`}`;
const there = `${host[0]}:${port[0]}`;

test("the job engine goes to the first server of a URL that answers", async () => {
  const url = `postgres://${login}@127.0.0.1:1,${there}/${database}`;
  expect(await findServer(url, 2_000)).toMatchObject({ port: port[0], ssl: false });
});

test("it does without TLS where the URL prefers it and the server has none, and not where it is required", async () => {
  const url = (mode: string) => `postgres://${login}@${there}/${database}?sslmode=${mode}`;
  expect(await findServer(url("prefer"), 2_000)).toMatchObject({ ssl: false });
  await expect(findServer(url("require"), 2_000)).rejects.toThrow("does not support SSL");
});

test("it prepares nothing behind a pooler, and names itself", async () => {
  const url = `postgres://${login}@${there}/${database}`;
  expect(await findServer(`${url}?pgbouncer=true`, 2_000)).toMatchObject({ prepares: false });
  expect(await findServer(url, 2_000)).toMatchObject({
    prepares: true,
    application_name: "tidemark-jobs",
  });
});
