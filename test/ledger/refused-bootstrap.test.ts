import { expect, test } from "vitest";
import { afterDoing, MigrateError } from "../../src/db/migrate/errors.ts";
import { DatabaseMigrator } from "../../src/db/migrate/index.ts";
import { useDatabase } from "../helpers/database.ts";
import { useHistory } from "../helpers/history.ts";

const database = useDatabase();
const folder = useHistory({ "0000_first": "create table a (id int);" });

test("an event trigger that refuses the ledger is told with its own words, and no remedy of ours for its SQLSTATE", async () => {
  await database.sql.unsafe(`create function no_ddl() returns event_trigger language plpgsql as $$
    begin raise exception 'no changes on Fridays' using errcode = '42501', detail = 'freeze of the shop', hint = 'ask ops'; end $$;
    create event trigger frozen on ddl_command_start execute function no_ddl()`);
  const migrator = new DatabaseMigrator({ url: database.url, dir: folder.dir });
  const error = await migrator.migrate({ allowExisting: true }).then(
    () => expect.unreachable("it did not fail"),
    (thrown: MigrateError) => thrown,
  );
  await database.sql.unsafe("drop event trigger frozen");
  expect(error.fact).toContain(
    "no changes on Fridays (SQLSTATE 42501).\ndetail: freeze of the shop\nhint: ask ops\ncontext: PL/pgSQL function",
  );
  expect(error.remedy).toContain("A function of this database raised it");
  expect(error.message).not.toContain("grant create on database");
});

test("what a run has applied before the server went away is not said to be on its disk", () => {
  const lost = new MigrateError({ code: "connect", fact: "The server is away.", remedy: "" });
  expect(afterDoing(lost, "applied", ["0000_a", "0001_b"]).fact).toBe(
    "The server is away.\nBefore that, this run applied 0000_a, 0001_b: committed. A server that crashed may have lost the last of them, together with its record: `tidemark status` shows what is there.",
  );
  const failed = new MigrateError({ code: "migration_failed", fact: "It failed.", remedy: "" });
  expect(afterDoing(failed, "applied", ["0000_a"]).fact).toBe(
    "It failed.\nBefore that, this run applied 0000_a: committed and recorded.",
  );
});
