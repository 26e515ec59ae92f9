import { expect, test } from "vitest";
import { readRoles } from "../../src/db/sql-tree/roles.ts";

test("roles that SQL names and does not make, wherever they stand", async () => {
  const files = [
    "grant select on t to app, public; alter table t owner to owner_role; set role deploy",
    'create policy p on t to anon, current_user using (true); set session authorization "Sess"',
    "alter default privileges for role maker grant select on tables to reader; grant team to member",
    "create schema s authorization lord; alter role old rename to renamed; set role none",
    "create role made; grant pg_read_all_data to made; grant all on t to renamed; reset role",
    "this is no SQL",
    "",
  ];
  expect(await readRoles(files)).toEqual({
    named: "Sess anon app deploy lord maker member old owner_role reader team".split(" "),
    made: ["made", "renamed"],
  });
});
