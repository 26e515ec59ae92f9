import postgres from "postgres";
import { expect, onTestFinished, test } from "vitest";
import { startApp } from "../helpers/app-process.ts";
import { useDatabase } from "../helpers/database.ts";

const database = useDatabase({ template: "migrated" });
const PASSWORD = "correct horse battery";

function start(env: Readonly<Record<string, string>> = {}) {
  const app = startApp(process.cwd(), { DATABASE_URL: database.url, ...env });
  onTestFinished(() => {
    app.child.kill("SIGKILL");
  });
  return app;
}

async function addAda(url: string): Promise<void> {
  const post = (path: string, body: object) =>
    fetch(`${url}${path}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
  expect((await post("/orgs", { id: "engines", name: "Engines" })).status).toBe(201);
  const ada = {
    type: "human",
    id: "ada",
    org: "engines",
    username: "ada",
    email: "ada@example.com",
    firstName: "Ada",
    lastName: "Lovelace",
    password: PASSWORD,
  };
  expect((await post("/users", ada)).status).toBe(201);
}

/** A batch of the users' projection that stands in its transaction, until `go`. */
async function standingBatch(url: string) {
  const sql = postgres(database.url, { max: 1, onnotice: () => undefined });
  onTestFinished(() => sql.end({ timeout: 0 }));
  const locker = await sql.reserve();
  await locker`begin`;
  await locker`lock table projections.user_humans in access exclusive mode`;
  await addAda(url);
  await expect
    .poll(
      () => database.sql`
      select true as waits from pg_locks
      where not granted and relation = 'projections.user_humans'::regclass limit 1`,
    )
    .toEqual([{ waits: true }]);
  return { go: () => locker`rollback` };
}

const projected = () => database.sql`select id from projections.users`;

test("told to stop in the middle of a batch, the application finishes it first", async () => {
  const app = start();
  await app.isReady();
  const batch = await standingBatch(await app.url);
  app.child.kill("SIGTERM");
  await expect.poll(app.log).toContain('"msg":"stopping"');
  expect(await projected()).toEqual([]);
  await batch.go();
  expect((await app.end).code).toBe(0);
  expect(await projected()).toEqual([{ id: "ada" }]);
});

test("and ends within its bound where the batch does not end; the next one handles it", async () => {
  const app = start({ SHUTDOWN_SECONDS: "1" });
  await app.isReady();
  const batch = await standingBatch(await app.url);
  const told = performance.now();
  app.child.kill("SIGTERM");
  expect((await app.end).code).toBe(0);
  expect(performance.now() - told).toBeLessThan(10_000);
  await batch.go();
  const next = start();
  await next.isReady();
  await expect.poll(projected).toEqual([{ id: "ada" }]);
  next.child.kill("SIGTERM");
  await next.end;
});

test("a password is nowhere in the database, and its hash in no row but that of its event", async () => {
  const app = start();
  await app.isReady();
  await addAda(await app.url);
  await expect.poll(projected).toEqual([{ id: "ada" }]);
  app.child.kill("SIGTERM");
  const { log } = await app.end;
  expect(log).not.toContain(PASSWORD);
  expect(log).not.toContain("$argon2");
  const tables = await database.sql<{ name: string }[]>`
    select format('%I.%I', schemaname, tablename) as name from pg_tables
    where schemaname not in ('pg_catalog', 'information_schema')`;
  expect(tables.length).toBeGreaterThan(10);
  const found: string[] = [];
  for (const { name } of tables) {
    const rows = await database.sql.unsafe(`select to_jsonb(t)::text as row from ${name} t`);
    for (const { row } of rows) {
      if (row.includes(PASSWORD)) found.push(`${name}: the password`);
      if (row.includes("$argon2")) found.push(`${name}: ${JSON.parse(row).event_type}`);
    }
  }
  expect(found).toEqual(["eventstore.events: user.human.password.changed"]);
});
