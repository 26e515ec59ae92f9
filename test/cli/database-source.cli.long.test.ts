import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, inject, test } from "vitest";
import { journalOf, THREE } from "../helpers/history.ts";
import { useProject } from "../helpers/project-fixture.ts";
import { createMigratingRole } from "../helpers/role.ts";

const here = useProject();

/** The test's database, in the parts of `dbCredentials`. */
function parts() {
  const url = new URL(here.database.url);
  return {
    host: url.hostname,
    port: Number(url.port),
    user: url.username,
    password: decodeURIComponent(url.password),
    database: url.pathname.slice(1),
  };
}

const config = (more: string) =>
  here.project.write(
    "drizzle.config.ts",
    `import { defineConfig } from "drizzle-kit";
export default defineConfig({ dialect: "postgresql", schema: "./src/**/*.ts", out: "./drizzle", ${more} });`,
  );

async function pending(env: Readonly<Record<string, string>> = {}, ...more: string[]) {
  const { code, stdout, stderr } = await here.project.run(["status", "--json", ...more], env);
  return { code, stderr, pending: code === 0 ? JSON.parse(stdout).pending : undefined };
}

const ELSEWHERE = "postgres://ada:geheim@127.0.0.1:1/elsewhere";

describe("the database of dbCredentials", () => {
  test.each([
    ["a URL", () => `dbCredentials: { url: ${JSON.stringify(here.database.url)} }`],
    ["a variable", () => "dbCredentials: { url: process.env.SHOP_URL! }"],
    ["its parts", () => `dbCredentials: ${JSON.stringify(parts())}`],
    [
      "its parts, without TLS",
      () => `dbCredentials: ${JSON.stringify({ ...parts(), ssl: false })}`,
    ],
    [
      "its parts, with TLS where there is any",
      () => `dbCredentials: ${JSON.stringify({ ...parts(), ssl: "prefer" })}`,
    ],
  ])("is migrated where it is given as %s", async (_name, credentials) => {
    await config(credentials());
    const { code, stderr, stdout } = await here.project.run(["migrate"], {
      SHOP_URL: here.database.url,
    });
    expect(stderr).toContain("(dbCredentials of drizzle.config.ts)");
    expect(stdout).toMatch(/^Applied 3 migrations/m);
    expect(code).toBe(0);
  });

  test("is migrated where the configuration is JSON, or another one is named", async () => {
    const text = JSON.stringify({
      dialect: "postgresql",
      out: "./drizzle",
      dbCredentials: parts(),
    });
    await here.project.write("drizzle.config.json", text);
    expect(await pending()).toMatchObject({ pending: 3 });
    await here.project.delete("drizzle.config.json");
    await here.project.write("shop.config.json", text);
    expect(await pending({}, "--config", "shop.config.json")).toMatchObject({ pending: 3 });
  });

  test("is refused where it has no TLS and the configuration requires it", async () => {
    await config(`dbCredentials: ${JSON.stringify({ ...parts(), ssl: "require" })}`);
    const { code, stderr } = await here.project.run(["migrate"]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/requires TLS, which the server does not support/);
    expect(stderr).toMatch(/The connection comes from dbCredentials of drizzle\.config\.ts\./);
  });

  test("wins over a DATABASE_URL that leads elsewhere, and both are named without a password", async () => {
    await config(`dbCredentials: ${JSON.stringify(parts())}`);
    const { stderr, pending: left } = await pending({ DATABASE_URL: ELSEWHERE });
    expect(left).toBe(3);
    expect(stderr).toMatch(
      /^warning: dbCredentials of drizzle\.config\.ts lead to 127\.0\.0\.1:\d+\/test_\w+ as postgres, and DATABASE_URL to 127\.0\.0\.1:1\/elsewhere as ada\./,
    );
    expect(stderr).not.toContain("geheim");
    const refused = await pending({ MIGRATION_DATABASE_URL: ELSEWHERE }, "--connect-timeout", "0");
    expect(refused).toMatchObject({ code: 1 });
    expect(refused.stderr).toContain("The connection comes from MIGRATION_DATABASE_URL.");
  });

  test("is left to DATABASE_URL where the file cannot be run here, with a warning", async () => {
    await here.project.write(
      "drizzle.config.ts",
      `import "not-installed-here";
export default { dialect: "postgresql", out: "./drizzle", dbCredentials: { url: process.env.SHOP_URL } };`,
    );
    const { stderr, pending: left } = await pending({ DATABASE_URL: here.database.url });
    expect(left).toBe(3);
    expect(stderr).toMatch(
      /^warning: dbCredentials of drizzle\.config\.ts cannot be used \(.*not-installed-here/,
    );
    expect(await pending()).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(
        /dbCredentials of drizzle\.config\.ts cannot be read: .*not-installed/,
      ),
    });
  });

  test("is no other where its variable is not set", async () => {
    await config("dbCredentials: { url: process.env.SHOP_URL! }");
    const { host, port, database } = parts();
    const variables = { PGHOST: host, PGPORT: String(port), PGDATABASE: database };
    expect(await pending(variables)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining(
        "No database URL is set (dbCredentials.url is not set in drizzle.config.ts).",
      ),
    });
  });
});

describe("the database of PG variables", () => {
  test("is used with a password file, and the variables are named", async () => {
    const role = await createMigratingRole(here.database, "");
    try {
      const { host, port, database } = parts();
      const file = join(here.project.root, "pgpass");
      await writeFile(file, `${host}:${port}:*:${role.name}:pw\n`, { mode: 0o600 });
      const env = { PGHOST: host, PGPORT: String(port), PGDATABASE: database, PGUSER: role.name };
      const { code, stderr } = await here.project.run(["migrate"], { ...env, PGPASSFILE: file });
      expect(stderr).toContain(`as ${role.name} (PGHOST, PGDATABASE)`);
      expect(code).toBe(0);
      const refused = await pending({ ...env, PGPASSWORD: "wrong" });
      expect(refused.stderr).toMatch(/password.*The connection comes from PGHOST, PGDATABASE\./s);
    } finally {
      await role.drop();
    }
  });

  test("is never a default of this machine", async () => {
    expect(await pending({ PGUSER: "postgres", PGPORT: "5432" })).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("No database URL is set"),
    });
  });
});

describe("with --if-url", () => {
  test.each(["migrate", "status", "wait"])(
    "%s does nothing where there is no database",
    async (command) => {
      expect(await here.project.run([command, "--if-url"])).toEqual({
        code: 0,
        stdout: "No database URL is set: nothing to do (--if-url).\n",
        stderr: "",
      });
      await config("dbCredentials: { url: process.env.SHOP_URL! }");
      expect(await here.project.run([command, "--if-url", "--url", ""])).toMatchObject({ code: 0 });
      const { code, stdout } = await here.project.run([command, "--if-url", "--json"]);
      expect({ code, json: JSON.parse(stdout) }).toEqual({ code: 0, json: { outcome: "no-url" } });
    },
  );

  test("migrate works where there is one, and fails where it is wrong", async () => {
    const run = (url: string) => here.project.run(["migrate", "--if-url"], { DATABASE_URL: url });
    expect(await run(here.database.url)).toMatchObject({
      code: 0,
      stdout: expect.stringContaining("Applied 3 migrations"),
    });
    expect(await run("mysql://db")).toMatchObject({ code: 2 });
  });
});

describe("the configuration", () => {
  test("is read where its tsconfig extends a file that is not there", async () => {
    await here.project.write("tsconfig.json", `{ "extends": "@acme/tsconfig/base.json" }`);
    await config(`dbCredentials: { url: process.env["SHOP_URL"]! }`);
    expect(await pending({ SHOP_URL: here.database.url })).toMatchObject({ code: 0, pending: 3 });
    await here.project.write(
      "drizzle.config.ts",
      `import { url } from "~/env";\nexport default { dialect: "postgresql", dbCredentials: { url } };`,
    );
    expect(await pending({ SHOP_URL: here.database.url })).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/~\/env.*\(and its tsconfig: .*@acme\/tsconfig\/base\.json/),
    });
  });

  test("is read where drizzle-kit is not installed", async () => {
    await config(`dbCredentials: { url: process.env["SHOP_URL"]! }`);
    const { stderr } = await pending({ SHOP_URL: here.database.url });
    expect(stderr).toContain("(dbCredentials of drizzle.config.ts)");
  });

  test("of a monorepo's package has its folder taken from the working folder", async () => {
    const env = { DATABASE_URL: here.database.url };
    const file = "packages/db/drizzle.config.ts";
    const named = ["--config", file];
    const write = (out: string) =>
      here.project.write(file, `export default { dialect: "postgresql", out: "${out}" };`);
    const fill = async (dir: string) => {
      for (const [tag, sql] of Object.entries(THREE)) {
        await here.project.write(`${dir}/${tag}.sql`, sql);
      }
      await here.project.write(`${dir}/meta/_journal.json`, journalOf(Object.keys(THREE)));
    };
    await write("./sql");
    await fill("packages/db/sql");
    const { root } = here.project;
    expect((await pending(env, ...named)).stderr).toBe(
      `error (config) \`out\` of ${file} is "./sql", which drizzle-kit takes from the working folder: ${root}/sql does not exist, but ${root}/packages/db/sql does.\n` +
        `Nothing was run. Run the command in ${root}/packages/db (with --config drizzle.config.ts), or write "packages/db/sql" as \`out\`; most commands also take --dir packages/db/sql.\n`,
    );
    expect(await pending(env, ...named, "--dir", "packages/db/sql")).toMatchObject({ pending: 3 });
    await fill("sql");
    expect(await pending(env, ...named)).toMatchObject({
      pending: 3,
      stderr: `warning: \`out\` of ${file} is taken from the working folder, as drizzle-kit does: sql. There is packages/db/sql too, beside the file.\n`,
    });
    await write("packages/db/sql");
    expect(await pending(env, ...named)).toMatchObject({ pending: 3, stderr: "" });
  });
});

describe("the key tidemark", () => {
  test("sets what options set, which win", async () => {
    const env = { DATABASE_URL: here.database.url };
    await config(
      `tidemark: { ledgerSchema: "ledger_a", lockTries: 3, ignore: ["table:public.extra"], scratchUrl: ${JSON.stringify(inject("serverUrl"))} }`,
    );
    expect(await here.project.run(["migrate"], env)).toMatchObject({ code: 0 });
    const ledgers = () =>
      here.database
        .sql`select nspname as name from pg_namespace where nspname ~ '^(ledger|tidemark)' order by 1`;
    expect(await ledgers()).toEqual([{ name: "ledger_a" }]);
    expect(await pending(env)).toMatchObject({ pending: 0 });
    expect(await pending(env, "--dir", "drizzle")).toMatchObject({ pending: 0 });
    expect(await pending(env, "--ledger-schema", "ledger_b")).toMatchObject({ pending: 3 });

    await here.database.sql`create table extra (id int)`;
    const drift = await here.project.run(["drift", "--json"], env);
    expect(JSON.parse(drift.stdout)).toMatchObject({ drift: false, ignored: 1 });
  });

  test("has one ledger for each folder of a database", async () => {
    const env = { DATABASE_URL: here.database.url };
    for (const name of ["a", "b"]) {
      await here.project.write(
        `${name}.config.ts`,
        `export default { dialect: "postgresql", out: "./${name}", tidemark: { ledgerSchema: "ledger_${name}" } };`,
      );
      await here.project.write(`${name}/0000_first.sql`, `create schema ${name};`);
      await here.project.write(`${name}/meta/_journal.json`, journalOf(["0000_first"]));
    }
    const run = (name: string, ...more: string[]) =>
      here.project.run(["migrate", "--config", `${name}.config.ts`, ...more], env);
    expect(await run("a")).toMatchObject({ code: 0 });
    expect(await run("b", "--allow-existing")).toMatchObject({ code: 0 });
    expect(await run("a")).toMatchObject({ stdout: expect.stringContaining("Nothing pending") });
    expect(await run("b")).toMatchObject({ stdout: expect.stringContaining("Nothing pending") });
  });

  test("with a key that is unknown is refused, with those that are known", async () => {
    await config("tidemark: { lockTimeout: 5 }");
    const { code, stderr } = await here.project.run(["migrate"], {
      DATABASE_URL: here.database.url,
    });
    expect(code).toBe(2);
    expect(stderr).toMatch(/unknown key lockTimeout; known are ledgerSchema, scratchUrl, ignore,/);
  });
});
