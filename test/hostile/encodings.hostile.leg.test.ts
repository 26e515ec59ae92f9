import { randomBytes } from "node:crypto";
import { expect, onTestFinished, test } from "vitest";
import { DatabaseMigrator } from "../../src/db/migrate/index.ts";
import { onServer, urlOfDatabase } from "../helpers/database.ts";
import { outcomeOf } from "../helpers/outcome.ts";

/** Each text is written into a comment, a name, a default and a row. */
const TEXTS = {
  latin: "größe",
  euro: "€",
  cyrillic: "привет",
  kana: "かな",
  arrow: "→",
  emoji: "😀",
};
type Text = keyof typeof TEXTS;

/** What each encoding holds; the rest fails as the server says, and is recorded. */
const ENCODINGS: readonly (readonly [encoding: string, holds: readonly Text[]])[] = [
  ["UTF8", ["latin", "euro", "cyrillic", "kana", "arrow", "emoji"]],
  // It takes any bytes.
  ["SQL_ASCII", ["latin", "euro", "cyrillic", "kana", "arrow", "emoji"]],
  ["LATIN1", ["latin"]],
  ["LATIN2", ["latin"]],
  ["LATIN9", ["latin", "euro"]],
  ["WIN1252", ["latin", "euro"]],
  ["WIN1251", ["euro", "cyrillic"]],
  ["KOI8R", ["cyrillic"]],
  ["ISO_8859_5", ["cyrillic"]],
  ["EUC_JP", ["latin", "cyrillic", "kana", "arrow"]],
  ["EUC_KR", ["euro", "cyrillic", "kana", "arrow"]],
  ["EUC_CN", ["cyrillic", "kana", "arrow"]],
  ["EUC_JIS_2004", ["latin", "euro", "cyrillic", "kana", "arrow"]],
];

async function databaseIn(encoding: string): Promise<string> {
  const name = `encoding_${randomBytes(5).toString("hex")}`;
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

/** A tag that the database cannot hold cannot be recorded: that is said before anything runs. */
test.each(["LATIN1", "KOI8R", "EUC_JP"])(
  "in %s a tag beyond it is refused, and nothing is left",
  async (encoding) => {
    const url = await databaseIn(encoding);
    const history = [{ tag: "0000_😀", sql: "create table a (id int);" }];
    expect(await outcomeOf(new DatabaseMigrator({ url, history }).migrate())).toBe("config");
    const ascii = [{ tag: "0000_a", sql: "create table a (id int);" }];
    expect(await outcomeOf(new DatabaseMigrator({ url, history: ascii }).migrate())).toBe(
      "applied 1",
    );
  },
);

test.each(ENCODINGS)(
  "a database in %s holds %j, and refuses the rest each in its own migration",
  async (encoding, holds) => {
    const url = await databaseIn(encoding);
    const done: { tag: string; sql: string }[] = [];
    for (const [name, text] of Object.entries(TEXTS)) {
      const ascii = `${Buffer.from(text).toString("hex")}`;
      const next = {
        tag: `${String(done.length).padStart(4, "0")}_${name}`,
        sql: `-- ${text}
create table t_${ascii} ("${text}" text default '${text}');
insert into t_${ascii} values (default), ('${text}');
comment on table t_${ascii} is '${text}';`,
      };
      const run = () => new DatabaseMigrator({ url, history: [...done, next] });
      const isHeld = holds.some((held) => held === name);
      expect([name, await outcomeOf(run().migrate())]).toEqual([
        name,
        isHeld ? "applied 1" : "migration_failed 22P05",
      ]);
      const { migrations } = await run().status();
      expect(migrations.at(-1)?.state.kind).toBe(isHeld ? "DONE" : "FAILED");
      // The log is read back, whatever of the tag it could hold.
      expect((await run().events()).length).toBeGreaterThan(0);
      if (isHeld) done.push(next);
      else done.push({ ...next, sql: "select 1;" });
      if (!isHeld) {
        const mended = new DatabaseMigrator({ url, history: done });
        expect(await outcomeOf(mended.migrate())).toBe("applied 1");
      }
    }
  },
);
