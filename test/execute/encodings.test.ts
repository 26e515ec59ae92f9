import { randomBytes } from "node:crypto";
import { expect, onTestFinished, test } from "vitest";
import { DatabaseMigrator } from "../../src/db/migrate/index.ts";
import { onServer, urlOfDatabase } from "../helpers/database.ts";

/** An empty database in an encoding of its own, dropped after the test. */
async function databaseIn(encoding: string): Promise<string> {
  const name = `tidemark_encoding_${randomBytes(5).toString("hex")}`;
  await onServer(async (admin) => {
    const provider = admin.serverVersion >= 150_000 ? "locale_provider libc" : "";
    await admin.ask(
      `create database ${name} encoding '${encoding}' ${provider} locale 'C' template template0`,
    );
  });
  onTestFinished(() =>
    onServer(async (admin) => {
      await admin.ask(`drop database ${name} with (force)`);
    }),
  );
  return urlOfDatabase(name);
}

// Longer than a line of the snippet, which then ends in a character that LATIN1 lacks.
const LONG = `insert into nowhere values ('${"ä".repeat(300)}')`;

test.each([
  ["LATIN1", "a long line", LONG, "42P01"],
  ["LATIN1", "a character that the database cannot hold", "select '→'", "22P05"],
  ["LATIN1", "the server's own words in it", "do $$ begin raise 'größer'; end $$", "P0001"],
  ["SQL_ASCII", "a long line", LONG, "42P01"],
  ["SQL_ASCII", "the server's own words in it", "do $$ begin raise 'größer →'; end $$", "P0001"],
])(
  "in a database in %s a failure of %s is recorded, and corrected",
  async (encoding, _, sql, state) => {
    const url = await databaseIn(encoding);
    const of = (text: string) =>
      new DatabaseMigrator({ url, history: [{ tag: "0000_größe", sql: text }] });
    const error = await of(sql)
      .migrate()
      .catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "migration_failed", recorded: { sqlState: state } });
    expect(String(error)).not.toContain("could not be recorded");
    const { migrations } = await of(sql).status();
    expect(migrations).toMatchObject([
      { tag: "0000_größe", state: { kind: "FAILED", error: { sqlState: state } } },
    ]);
    expect(await of("select 'größer'").migrate()).toMatchObject({ outcome: "applied" });
  },
);
