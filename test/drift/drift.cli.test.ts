import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { type Difference, describeDifference } from "../../src/db/catalog/index.ts";
import { PLANTS } from "../helpers/catalog-plants.ts";
import { createDatabase, onServer, type TestDatabase } from "../helpers/database.ts";
import { countingHistory } from "../helpers/history.ts";
import { createProject, type Project } from "../helpers/project.ts";

/** What `--json` prints of a difference. */
type PrintedDifference = Omit<Difference, "within"> & Readonly<Record<string, unknown>>;

interface PrintedReport {
  readonly drift: boolean;
  readonly differences: readonly PrintedDifference[];
  readonly warnings: readonly string[];
}

async function driftOf(project: Project, url: string, ...args: readonly string[]) {
  const scratch = ["--scratch-url", inject("serverUrl")];
  const { code, stdout, stderr } = await project.run(["drift", "--json", ...scratch, ...args], {
    DATABASE_URL: url,
  });
  if (stdout === "") throw new Error(stderr);
  return { code, report: JSON.parse(stdout) as PrintedReport };
}

const NO_DRIFT = { code: 0, report: { drift: false, differences: [], ignored: 0, warnings: [] } };

describe("planted in a database that was migrated", () => {
  let database: TestDatabase;
  let project: Project;
  let roles: Readonly<Record<"owner" | "reader", string>>;
  let drift: Awaited<ReturnType<typeof driftOf>>;

  const withNames = (sql: string) =>
    sql
      .replaceAll(":database", database.name)
      .replace(/:(owner|reader)\b/g, (_all, role: "owner" | "reader") => roles[role]);
  const withoutNames = <T>(value: T): T =>
    JSON.parse(
      JSON.stringify(value).replaceAll(roles.owner, ":owner").replaceAll(roles.reader, ":reader"),
    ) as T;

  beforeAll(async () => {
    database = await createDatabase();
    roles = { owner: `owner_${database.name}`, reader: `reader_${database.name}` };
    await database.sql.unsafe(`create role ${roles.owner}; create role ${roles.reader}`);
    const sql = await readFile("test/fixtures/catalog/shop.sql", "utf8");
    project = await createProject({ "0000_shop": withNames(sql) });
    await project.run(["migrate"], { DATABASE_URL: database.url });
    for (const plant of PLANTS) await database.sql.unsafe(withNames(plant.sql));
    // The schema that the plants mean to be left out.
    drift = await driftOf(project, database.url, "--ignore", "ledger");
  });

  afterAll(async () => {
    await project.remove();
    await database.drop();
    await onServer((admin) => admin.ask(`drop role ${roles.owner}, ${roles.reader}`));
  });

  test("differences are exit code 4", () => {
    expect(drift).toMatchObject({ code: 4, report: { drift: true, applied: 1, pending: 0 } });
  });

  const one = (kind: string, name: string, property: string, expected: string, found: string) => ({
    kind,
    name,
    change: "different",
    property,
    expected,
    found,
  });

  test.each([
    {
      what: "a column more",
      difference: {
        kind: "column",
        name: "shop.users.phone",
        change: "unexpected",
        found: "text not null",
      },
    },
    {
      what: "a column less",
      difference: {
        kind: "column",
        name: "shop.users.nick",
        change: "missing",
        expected: "public.citext",
      },
    },
    { what: "null", difference: one("column", "shop.orders.note", "not null", "no", "yes") },
    { what: "a default", difference: one("column", "shop.users.age", "default", "18", "none") },
    {
      what: "identity",
      difference: one(
        "column",
        "shop.users.id",
        "identity",
        "generation always",
        "generation by default",
      ),
    },
    {
      what: "generated",
      difference: one("column", "shop.users.shout", "generated", "upper(name)", "lower(name)"),
    },
    {
      what: "a check",
      difference: one(
        "constraint",
        "shop.users.users_age_check",
        "definition",
        "CHECK ((age > 0))",
        "CHECK ((age > 17))",
      ),
    },
    {
      what: "a constraint that is not valid",
      difference: one(
        "constraint",
        "shop.lines.lines_amount_check",
        "definition",
        "CHECK ((amount > 0))",
        "CHECK ((amount > 0)) NOT VALID",
      ),
    },
    {
      what: "a foreign key's action",
      difference: one(
        "constraint",
        "shop.orders.orders_user_id_fkey",
        "definition",
        "FOREIGN KEY (user_id) REFERENCES shop.users(id) ON DELETE CASCADE",
        "FOREIGN KEY (user_id) REFERENCES shop.users(id) ON DELETE RESTRICT",
      ),
    },
    {
      what: "an index's columns",
      difference: one(
        "index",
        "shop.users_name_idx",
        "definition",
        "CREATE INDEX users_name_idx ON shop.users USING btree (name)",
        "CREATE INDEX users_name_idx ON shop.users USING btree (name, age)",
      ),
    },
    {
      what: "an INVALID index",
      difference: one("index", "shop.users_age_idx", "usable", "yes", "no: INVALID"),
    },
    {
      what: "an enum's value",
      difference: one(
        "type",
        "shop.status",
        "values",
        "open, paid, sent",
        "open, paid, lost, sent",
      ),
    },
    {
      what: "a domain",
      difference: one(
        "constraint",
        "shop.email.email_at",
        "definition",
        "CHECK ((VALUE ~~ '%@%'::text))",
        "CHECK ((VALUE ~~ '%@%.%'::text))",
      ),
    },
    {
      what: "a sequence",
      difference: one("sequence", "shop.invoice_number", "increment", "1", "10"),
    },
    {
      what: "a view",
      difference: one(
        "view",
        "shop.limits",
        "definition",
        " SELECT 18 AS age;",
        " SELECT 21 AS age;",
      ),
    },
    {
      what: "a materialised view",
      difference: one(
        "materialized view",
        "shop.totals",
        "definition",
        " SELECT count(*) AS total\n   FROM shop.orders;",
        " SELECT (1)::bigint AS total;",
      ),
    },
    {
      what: "a function's body",
      difference: {
        ...one("function", "shop.touch()", "definition", "", ""),
        expected: expect.stringContaining("new.name := trim(new.name);"),
        found: expect.stringContaining("new.name := lower(new.name);"),
      },
    },
    {
      what: "a trigger",
      difference: one(
        "trigger",
        "shop.users.users_touch",
        "definition",
        "CREATE TRIGGER users_touch BEFORE INSERT ON shop.users FOR EACH ROW EXECUTE FUNCTION shop.touch()",
        "CREATE TRIGGER users_touch BEFORE UPDATE ON shop.users FOR EACH ROW EXECUTE FUNCTION shop.touch()",
      ),
    },
    {
      what: "a policy",
      difference: one(
        "policy",
        "shop.orders.orders_own",
        "using",
        "(user_id > 0)",
        "(user_id > 1)",
      ),
    },
    {
      what: "row level security",
      difference: one("table", "shop.orders", "row level security", "yes", "no"),
    },
    {
      what: "a partition",
      difference: one(
        "table",
        "shop.events_2027",
        "partition for",
        "FOR VALUES FROM ('2027-01-01') TO ('2028-01-01')",
        "FOR VALUES FROM ('2027-01-01') TO ('2029-01-01')",
      ),
    },
    {
      what: "an extension",
      difference: { kind: "extension", name: "hstore", change: "unexpected" },
    },
    {
      what: "a comment",
      difference: one("table", "shop.users", "comment", "Who buys", "Who pays"),
    },
    {
      what: "a grant",
      difference: one("table", "shop.users", "grants to :reader", "SELECT", "INSERT, SELECT"),
    },
    {
      what: "an owner",
      difference: {
        ...one("table", "shop.lines", "owner", "", ":owner"),
        expected: expect.stringMatching(/^\w+$/),
      },
    },
  ])("$what: found, with what was expected", ({ difference }) => {
    expect(withoutNames(drift.report.differences)).toContainEqual(difference);
  });

  test("every other planted difference is found too, and nothing else is", () => {
    const lines = withoutNames(drift.report.differences).map((difference) =>
      describeDifference({ ...difference, within: [] } as unknown as Difference),
    );
    expect(lines.toSorted()).toEqual(PLANTS.flatMap(({ said }) => said).toSorted());
  });

  test("kinds that are compared by name only are a warning, which --quiet shows too", async () => {
    expect(drift.report.warnings).toEqual([
      "Compared only by name, not by definition: operator: shop.===(integer,integer).",
      "Compared only by name, not by definition: text search configuration: shop.words.",
    ]);
    const args = ["drift", "--quiet", "--scratch-url", inject("serverUrl")];
    const { stderr } = await project.run(args, { DATABASE_URL: database.url });
    expect(stderr).toBe(drift.report.warnings.map((text) => `warning: ${text}\n`).join(""));
  });

  test("all of it can be ignored", async () => {
    const { code, report } = await driftOf(
      project,
      database.url,
      ...[
        "--ignore",
        "shop*",
        "--ignore",
        "ledger.*",
        "--ignore",
        "hstore",
        "--ignore",
        "more",
        "--ignore",
        "schema:*",
      ],
      ...["--ignore", "default privileges:*", "--ignore", "event trigger:shop_ddl"],
      ...["--ignore", "database setting:work_mem"],
    );
    expect({ code, left: report.differences }).toEqual({ code: 0, left: [] });
  });
});

describe("no false alarm", () => {
  test("over the project's own migrations", async () => {
    const database = await createDatabase({ template: "migrated" });
    const project = await createProject({});
    try {
      const dir = ["--dir", resolve("drizzle")];
      expect(await driftOf(project, database.url, ...dir)).toMatchObject(NO_DRIFT);
    } finally {
      await project.remove();
      await database.drop();
    }
  });

  test("over a folder in the layout of drizzle-kit 1.x", async () => {
    const database = await createDatabase();
    const project = await createProject();
    try {
      await project.write("drizzle/20250101000000_t/migration.sql", "create table t (id int);");
      await project.run(["migrate"], { DATABASE_URL: database.url });
      expect(await driftOf(project, database.url)).toMatchObject(NO_DRIFT);
    } finally {
      await project.remove();
      await database.drop();
    }
  });

  test("over a history of three hundred migrations", async () => {
    const database = await createDatabase();
    const project = await createProject(countingHistory(300));
    try {
      await project.run(["migrate"], { DATABASE_URL: database.url });
      expect(await driftOf(project, database.url)).toMatchObject({
        ...NO_DRIFT,
        report: { ...NO_DRIFT.report, applied: 300, version: "0299_tick" },
      });
    } finally {
      await project.remove();
      await database.drop();
    }
  });
});
