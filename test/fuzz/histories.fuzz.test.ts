import { afterAll, expect, test } from "vitest";
import { DatabaseMigrator, MigrateError } from "../../src/db/migrate/index.ts";
import { createDatabase } from "../helpers/database.ts";
import { contentsOf, expectSameContents } from "../helpers/database-contents.ts";
import { DdlWriter, FORM_COUNT } from "../helpers/ddl-grammar.ts";
import { REPEAT } from "../helpers/fuzz.ts";
import { historyFolder } from "../helpers/history.ts";
import { expectFoldToMatch } from "../helpers/ledger.ts";
import { startRunner } from "../helpers/runner-process.ts";
import { SEED } from "../helpers/seed.ts";

const SECONDS = Number(process.env.FUZZ_SECONDS ?? 12);
const DEADLINE = performance.now() + SECONDS * 1_000;
const tally = { histories: 0, kills: 0, found: 0, files: 0, given: 0, refused: 0 };

/**
 * Of a seed, one history; where it is run straight, a file that the server does not take is replaced, as its author
 * would do. What a killed run and the next ones make of it is held against that.
 */
test(`random histories of ${FORM_COUNT} forms, their runners killed, are what a straight run makes (${REPEAT})`, {
  timeout: SECONDS * 1_000 + 120_000,
}, async () => {
  for (let seed = SEED; tally.histories === 0 || performance.now() < DEADLINE; seed += 1) {
    await oneHistory(seed);
  }
  console.log(
    `${tally.histories} histories of ${tally.files} files from seed ${SEED}: ${tally.kills} kills, ` +
      `${tally.found} statements found under way, ${tally.refused} files refused and replaced, ${tally.given} given up`,
  );
  // A grammar that writes nothing which the server takes would prove nothing.
  expect(tally.given).toBeLessThan(tally.histories + 3);
});

async function oneHistory(seed: number): Promise<void> {
  const writer = new DdlWriter(seed);
  const count = 4 + writer.number(8);
  const files: Record<string, string> = {};
  // Something to work with.
  const made = Array.from({ length: 8 }, () => writer.next("create"));
  files["0000_begin"] = `${made.join(";\n")};`;
  for (let i = 1; i < count; i += 1) files[`${String(i).padStart(4, "0")}_f`] = writer.file(5);
  const straight = await createDatabase();
  const folder = await historyFolder(files);
  try {
    const run = await runStraight({ url: straight.url, dir: folder.dir }, files);
    if (run === undefined) {
      tally.given += 1;
      return;
    }
    // The folder that is killed has the files as they were in the end.
    for (const [tag, sql] of Object.entries(files)) await folder.write(tag, sql);
    const expected = await contentsOf(straight.url, ["tidemark"]);
    const killed = await createDatabase();
    const at = `seed ${seed}: ${REPEAT.replace(String(SEED), String(seed))}`;
    const options = { url: killed.url, dir: folder.dir };
    for (let kills = 1 + writer.number(3); kills > 0; kills -= 1) {
      const runner = await startRunner();
      runner.start({ options, failpoint: { nth: writer.number(run.points) } });
      const end = await runner.end;
      if (end.signal === "SIGKILL") tally.kills += 1;
      expect([at, end.error?.message]).toEqual([at, undefined]);
    }
    const onProgress = ({ kind }: { readonly kind: string }) => {
      if (kind === "statement-found") tally.found += 1;
    };
    const report = await new DatabaseMigrator(options)
      .migrate({ onProgress })
      .catch((error: unknown) => expect.fail(`${at}: ${error}`));
    expect(report.version, at).toBe(Object.keys(files).at(-1));
    try {
      expectSameContents(await contentsOf(killed.url, ["tidemark"]), expected);
      await expectFoldToMatch(killed.url);
    } catch (error) {
      console.error(`${at}\n${JSON.stringify(files, null, 1)}`);
      throw error;
    }
    tally.histories += 1;
    tally.files += count;
    await killed.drop();
  } finally {
    await folder.remove();
    await straight.drop();
  }
}

/** Runs it to its end, and counts its messages; undefined where a file was refused when a part of it was committed. */
async function runStraight(
  options: { readonly url: string; readonly dir: string },
  files: Record<string, string>,
): Promise<{ readonly points: number } | undefined> {
  for (;;) {
    let points = 0;
    const onFailpoint = () => {
      points += 1;
    };
    const history = Object.entries(files).map(([tag, sql]) => ({ tag, sql }));
    try {
      const { url } = options;
      await new DatabaseMigrator(
        { url, history, lockTries: 1, lockTimeoutMs: 1_000, deadlineMs: 60_000 },
        { onFailpoint },
      ).migrate();
      return { points: Math.max(points, 10) };
    } catch (error) {
      if (!(error instanceof MigrateError) || error.tag === undefined) {
        if (error instanceof MigrateError && error.code === "unsupported_statement")
          return undefined;
        if (error instanceof MigrateError && error.code === "history_invalid") return undefined;
        throw error;
      }
      if (error.code === "checksum_mismatch") return undefined;
      expect([
        "migration_failed",
        "unsupported_statement",
        "history_invalid",
        "in_doubt",
      ]).toContain(error.code);
      if (error.code === "migration_failed")
        WHY.set(`${error.recorded?.sqlState} ${error.recorded?.message}`, files[error.tag] ?? "");
      tally.refused += 1;
      files[error.tag] = "select 'replaced';";
    }
  }
}

/** What the server did not take of what the grammar wrote: shown with FUZZ_WHY=1. */
const WHY = new Map<string, string>();
afterAll(() => {
  if (!process.env.FUZZ_WHY) return;
  const shown = [...WHY].map(([why, sql]) => `${why}\n    ${sql.replaceAll("\n", "\n    ")}`);
  console.log(shown.join("\n"));
});
