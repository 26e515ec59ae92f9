import { describe, expect, test } from "vitest";
import { checkOrder, checkUnedited } from "../../src/db/verify/base-checks.ts";
import { underNamesOf } from "../../src/db/verify/converted.ts";
import { handWritten } from "../../src/db/verify/entries.ts";
import { checkFiles } from "../../src/db/verify/files-check.ts";
import type { Base, FolderState } from "../../src/db/verify/folder-state.ts";

const NONE = "00000000-0000-0000-0000-000000000000";
const [A, B, MINE] = ["20250101000000_a", "20250102000000_b", "20250103000000_mine"];

interface Made {
  readonly tag: string;
  /** What it follows; the one before it where that is left out. */
  readonly after?: readonly string[];
  readonly deltas?: readonly object[];
}

/** A folder as drizzle-kit 1.x would have made it; the id of each snapshot is its tag. */
function folder(
  made: readonly Made[],
  change: (files: Map<string, string>) => void = () => undefined,
): FolderState {
  const files = new Map<string, string>();
  for (const [place, { tag, after, deltas = [] }] of made.entries()) {
    const prevIds = after ?? [made[place - 1]?.tag ?? NONE];
    const content = prevIds.includes(NONE) ? { ddl: [{ entityType: "tables" }] } : { deltas };
    files.set(`${tag}/migration.sql`, `select '${tag}';\n`);
    files.set(`${tag}/snapshot.json`, JSON.stringify({ id: tag, prevIds, ...content }, null, 2));
  }
  change(files);
  return { dir: "drizzle", files };
}

function base(tip: FolderState, fork: FolderState = tip): Base {
  return { ref: "origin/main", tip, fork, forkCommit: "" };
}

const found = ({
  findings,
}: {
  findings: readonly { level: string; fact: string; file?: string }[];
}) => findings.map(({ level, fact, file }) => `${level} ${file}: ${fact}`);

const LINE: readonly Made[] = [{ tag: A }, { tag: B }, { tag: MINE }];

describe("the folders and snapshots of drizzle-kit 1.x", () => {
  test("agree as it writes them, with down files and the event sink among them", () => {
    const here = folder(LINE, (files) => {
      files.set(`${MINE}/migration.down.sql`, "");
      files.set("event-sink.sql", "");
    });
    expect(checkFiles(here, undefined)).toEqual({ findings: [], detail: "3 migrations" });
  });

  test.each<{
    what: string;
    made?: readonly Made[];
    change?: (files: Map<string, string>) => void;
    said: string;
  }>([
    {
      what: "a merge's marks",
      change: (files) => files.set(`${B}/snapshot.json`, "<<<<<<< HEAD"),
      said: `error drizzle/${B}/snapshot.json: drizzle/${B}/snapshot.json is no snapshot: it is not JSON.`,
    },
    {
      what: "a snapshot without its migration",
      change: (files) => files.delete(`${MINE}/migration.sql`),
      said: `error drizzle/${MINE}/snapshot.json: drizzle/${MINE}/snapshot.json has no migration.sql beside it, and drizzle-kit would compare the schema with it.`,
    },
    {
      what: "a last migration without its snapshot",
      change: (files) => files.delete(`${MINE}/snapshot.json`),
      said: `warning drizzle/${MINE}/migration.sql: drizzle has no snapshot for ${MINE}.`,
    },
    {
      what: "two first migrations",
      made: [{ tag: A }, { tag: B, after: [NONE] }],
      said: `error drizzle/${B}/snapshot.json: drizzle/${B}/snapshot.json follows none, and neither does ${A}/snapshot.json: each starts a history, and drizzle-kit refuses more than one.`,
    },
    {
      what: "a parent that is not there",
      made: [{ tag: A }, { tag: B, after: ["gone"] }],
      said: `error drizzle/${B}/snapshot.json: drizzle/${B}/snapshot.json follows a snapshot that is not in the folder (gone), and drizzle-kit refuses to continue.`,
    },
    {
      what: "a parent that comes after it",
      made: [{ tag: A }, { tag: B, after: [MINE] }, { tag: MINE, after: [A] }],
      said: `error drizzle/${B}/snapshot.json: ${B} follows ${MINE}, but comes before it by its name: migrations run in the order of their names.`,
    },
    {
      what: "two branches",
      made: [{ tag: A }, { tag: B }, { tag: MINE, after: [A] }],
      said: `warning drizzle/${MINE}/snapshot.json: drizzle holds branches that end with ${MINE} and ${B}.`,
    },
    {
      what: "a down file of the layout of 0.x",
      change: (files) => files.set("0000_a.down.sql", ""),
      said: "error drizzle/0000_a.down.sql: drizzle/0000_a.down.sql belongs to no migration, and is never run.",
    },
  ])("are reported with $what", ({ made = LINE, change, said }) => {
    expect(found(checkFiles(folder(made, change), undefined))).toContain(said);
  });

  test("are missing where there is no migration yet, in either layout", () => {
    expect(checkFiles({ dir: "drizzle", files: new Map() }, undefined).findings).toEqual([
      {
        level: "error",
        fact: "drizzle holds no migration.",
        remedy: "`tidemark generate` writes the first one.",
      },
    ]);
  });

  test("are one line again once a migration joins the branches", () => {
    const joined = [{ tag: A }, { tag: B }, { tag: "20250102120000_c", after: [A] }];
    const here = folder([...joined, { tag: MINE, after: ["20250102120000_c", B] }]);
    expect(checkFiles(here, undefined).findings).toEqual([]);
  });

  test("tell what a person wrote: changes that drizzle-kit does not know", () => {
    const here = folder([
      { tag: A },
      { tag: B, deltas: [{ op: "drop", key: "x" }] },
      { tag: MINE },
    ]);
    expect([...handWritten(here)]).toEqual([MINE]);
    const without = folder([{ tag: A }, { tag: B }], (files) => files.delete(`${A}/snapshot.json`));
    expect([...handWritten(without)]).toEqual([A, B]);
  });
});

describe("against a base, in the layout of 1.x", () => {
  const theirs = folder([{ tag: A }, { tag: B }]);

  test("new folders come last, and old ones stay", () => {
    const here = folder(LINE);
    expect(checkUnedited(here, base(theirs))).toEqual({
      findings: [],
      detail: "against origin/main",
    });
    expect(checkOrder(here, base(theirs))).toEqual({ findings: [], detail: "1 new" });
  });

  test("an edited migration, one that is gone and one that comes too early are errors", () => {
    const edited = folder(LINE, (files) => files.set(`${A}/migration.sql`, "select 2;\n"));
    expect(found(checkUnedited(edited, base(theirs)))).toEqual([
      `error drizzle/${A}/migration.sql: drizzle/${A}/migration.sql differs from origin/main, from line 1 on.`,
    ]);
    expect(found(checkUnedited(folder([{ tag: A }]), base(theirs)))).toEqual([
      `error drizzle/${B}/migration.sql: ${B} is in origin/main and not here.`,
    ]);
    const early = folder([
      { tag: A },
      { tag: "20250101120000_early", after: [A] },
      { tag: B, after: [A] },
    ]);
    const { findings } = checkOrder(early, base(theirs));
    expect(found({ findings })).toEqual([
      `error drizzle/20250101120000_early/migration.sql: 20250101120000_early is older than ${B}, the newest of origin/main.`,
    ]);
    expect(findings[0]?.remedy).toContain("`tidemark rebase --base origin/main`");
  });

  /** What was there before `drizzle-kit up`. */
  const unconverted = (sql: string): FolderState => ({
    dir: "drizzle",
    files: new Map([
      ["meta/_journal.json", JSON.stringify({ entries: [{ tag: "0000_a" }, { tag: "0001_b" }] })],
      ["0000_a.sql", `select '${A}';\r\n`],
      ["0001_b.sql", sql],
      ["0001_b.down.sql", "select 0;\n"],
    ]),
  });

  test("a folder that `drizzle-kit up` has converted holds the migrations that it held", () => {
    const here = folder(LINE);
    const known = underNamesOf(here, base(unconverted(`select '${B}';\n`)));
    expect(checkUnedited(here, known).findings).toEqual([]);
    expect(checkOrder(here, known)).toEqual({ findings: [], detail: "1 new" });
    expect(known.tip.files.get(`${B}/migration.down.sql`)).toBe("select 0;\n");
  });

  test("and one that was edited at that is gone, under its old name", () => {
    const here = folder(LINE);
    const known = underNamesOf(here, base(unconverted("select 'other';\n")));
    expect(found(checkUnedited(here, known))).toEqual([
      "error drizzle/0001_b/migration.sql: 0001_b is in origin/main and not here.",
    ]);
  });
});
