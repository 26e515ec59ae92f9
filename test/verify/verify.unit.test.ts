import { describe, expect, test } from "vitest";
import { annotation } from "../../src/cli/support/annotation.ts";
import { checkOrder, checkUnedited } from "../../src/db/verify/base-checks.ts";
import { handWritten } from "../../src/db/verify/entries.ts";
import { checkFiles } from "../../src/db/verify/files-check.ts";
import type { Base, FolderState } from "../../src/db/verify/folder-state.ts";

interface Migration {
  readonly tag: string;
  readonly sql?: string;
  readonly when?: number;
  /** Its schema; the one before's where it is left out. */
  readonly schema?: string;
}

const FIRST = "00000000-0000-0000-0000-000000000000";

/** A folder as drizzle-kit would have made it. */
function folder(
  migrations: readonly Migration[],
  change: (files: Map<string, string>) => void = () => undefined,
): FolderState {
  const entries = migrations.map(({ tag, when }, idx) => ({ idx, tag, when: when ?? 1000 + idx }));
  const files = new Map([["meta/_journal.json", JSON.stringify({ entries }, null, 2)]]);
  let schema = "";
  for (const [idx, migration] of migrations.entries()) {
    const { tag, sql = `select '${tag}';\n` } = migration;
    schema = migration.schema ?? schema;
    files.set(`${tag}.sql`, sql);
    const prevId = idx === 0 ? FIRST : `id of ${migrations[idx - 1]?.tag}`;
    const snapshot = { id: `id of ${tag}`, prevId, tables: schema };
    files.set(`meta/${tag.slice(0, 4)}_snapshot.json`, JSON.stringify(snapshot, null, 2));
  }
  change(files);
  return { dir: "drizzle", files };
}

const BASE = [{ tag: "0000_a" }, { tag: "0001_b" }];
const MINE = [...BASE, { tag: "0002_mine" }];

function base(tip: FolderState, fork: FolderState = tip): Base {
  return { ref: "origin/main", tip, fork, forkCommit: "" };
}

const facts = ({ findings }: { findings: readonly { level: string; fact: string }[] }) =>
  findings.map(({ level, fact }) => `${level}: ${fact}`);

describe("the journal, the files and the snapshots", () => {
  test("agree as drizzle-kit writes them, with down files and the event sink beside them", () => {
    const here = folder(MINE, (files) => {
      files.set("0002_mine.down.sql", "");
      files.set("event-sink.sql", "");
    });
    expect(checkFiles(here, undefined)).toEqual({ findings: [], detail: "3 migrations" });
  });

  test.each<{ what: string; change: (files: Map<string, string>) => void; said: RegExp }>([
    {
      what: "a snapshot that is none",
      change: (files) => files.set("meta/0002_snapshot.json", "<<<<<<< HEAD"),
      said: /^error: .*0002_snapshot\.json is no snapshot: it is not JSON/,
    },
    {
      what: "a snapshot without an entry",
      change: (files) => files.set("meta/0003_snapshot.json", "{}"),
      said: /0003_snapshot\.json has no entry in meta\/_journal\.json/,
    },
    {
      what: "a journal entry without its file",
      change: (files) => files.delete("0002_mine.sql"),
      said: /_journal\.json has the entry 0002_mine, but 0002_mine\.sql is missing/,
    },
    {
      what: "a file without an entry",
      change: (files) => files.set("0007_stray.sql", ""),
      said: /drizzle\/0007_stray\.sql has no entry in meta\/_journal\.json, and is never run/,
    },
    {
      what: "a down file without its migration",
      change: (files) => files.set("0007_stray.down.sql", ""),
      said: /0007_stray\.down\.sql has no entry/,
    },
    {
      what: "a journal with a merge's marks",
      change: (files) => files.set("meta/_journal.json", "<<<<<<< HEAD"),
      said: /_journal\.json is no journal: it cannot be read as JSON/,
    },
    {
      what: "no journal",
      change: (files) => files.delete("meta/_journal.json"),
      said: /_journal\.json is missing/,
    },
  ])("$what is found, alone and with its file", ({ change, said }) => {
    const { findings } = checkFiles(folder(MINE, change), undefined);
    expect(facts({ findings })).toEqual([expect.stringMatching(said)]);
    expect(findings[0]?.file).toMatch(/^drizzle\//);
    expect(findings[0]?.remedy).not.toBe("");
  });

  test("what the base has already is a warning: it is nobody's work of now", () => {
    const broken = (files: Map<string, string>) => files.set("meta/0000_snapshot.json", "<<<<");
    const here = folder(MINE, (files) => {
      broken(files);
      files.set("meta/0002_snapshot.json", "<<<<");
    });
    expect(facts(checkFiles(here, base(folder(BASE, broken))))).toEqual([
      "warning: drizzle/meta/0000_snapshot.json is no snapshot: it is not JSON.",
      "error: drizzle/meta/0002_snapshot.json is no snapshot: it is not JSON.",
    ]);
  });
});

/** Snapshots as `id <- prevId`, an entry of the journal for each. */
function chain(change: Readonly<Record<string, string | undefined>>): FolderState {
  const tags = ["0000_a", "0001_b", "0002_c", "0003_d"].map((tag) => ({ tag }));
  return folder(tags, (files) => {
    for (const [number, prevId] of Object.entries(change)) {
      const path = `meta/${number}_snapshot.json`;
      const { id } = JSON.parse(files.get(path) ?? "");
      if (prevId === undefined) files.delete(path);
      else files.set(path, JSON.stringify({ id, prevId }));
    }
  });
}

describe("the chain of snapshots", () => {
  test("that forks is an error, with what would put it into one line", () => {
    const { findings } = checkFiles(chain({ "0002": "id of 0000_a" }), undefined);
    expect(findings).toEqual([
      {
        level: "error",
        fact: "The snapshots drizzle/meta/0001_snapshot.json and drizzle/meta/0002_snapshot.json follow the same one (drizzle/meta/0000_snapshot.json): two branches generated from it, and drizzle-kit refuses to continue.",
        remedy: expect.stringContaining(
          'drizzle/meta/0002_snapshot.json: "prevId": "id of 0001_b" (the id of meta/0001_snapshot.json)',
        ),
        file: "drizzle/meta/0002_snapshot.json",
        line: 1,
      },
    ]);
  });

  test("that forks is put behind the end of the other branch, wherever the newest stands", () => {
    const remedyOf = (change: Parameters<typeof chain>[0]) =>
      checkFiles(chain(change), undefined).findings[0]?.remedy;
    // a, b, d on one side: b is put behind c.
    expect(remedyOf({ "0002": "id of 0000_a", "0003": "id of 0001_b" })).toContain(
      '0001_snapshot.json: "prevId": "id of 0002_c"',
    );
    // Three from a.
    const three = remedyOf({ "0002": "id of 0000_a", "0003": "id of 0000_a" });
    expect(three).toContain('0002_snapshot.json: "prevId": "id of 0001_b"');
    expect(three).toContain('0003_snapshot.json: "prevId": "id of 0002_c"');
  });

  test.each<{ what: string; change: Parameters<typeof chain>[0]; said: string }>([
    {
      what: "without the snapshots of some migrations",
      change: { "0001": undefined, "0003": undefined },
      said: "drizzle/meta has no snapshot for 0001_b, 0003_d.",
    },
    {
      what: "with a gap",
      change: { "0002": "somewhere else" },
      said: "drizzle/meta/0002_snapshot.json follows a snapshot that does not exist.",
    },
    {
      what: "in another order than the journal's",
      change: { "0001": "id of 0002_c", "0002": "id of 0000_a", "0003": "id of 0001_b" },
      said: "drizzle/meta/0001_snapshot.json follows another snapshot than the one before it in the journal (so do meta/0002_snapshot.json, meta/0003_snapshot.json).",
    },
    {
      what: "with an empty parent",
      change: { "0002": "" },
      said: "drizzle/meta/0002_snapshot.json follows no snapshot, though others come before it.",
    },
    {
      what: "that begins twice",
      change: { "0002": FIRST },
      said: "The snapshots drizzle/meta/0000_snapshot.json and drizzle/meta/0002_snapshot.json follow none: each starts a history, and drizzle-kit refuses more than one.",
    },
  ])("$what is a warning that advises to change no migration", ({ change, said }) => {
    const { findings } = checkFiles(chain(change), undefined);
    expect(facts({ findings })).toEqual([`warning: ${said}`]);
    expect(findings[0]?.remedy).not.toMatch(/delete|generate it again/i);
  });

  test("may hold two migrations of one number, of which one has no snapshot", () => {
    const here = folder([...BASE, { tag: "0001_c" }], (files) => {
      files.set("meta/0001_snapshot.json", JSON.stringify({ id: "c", prevId: "id of 0000_a" }));
    });
    expect(facts(checkFiles(here, undefined))).toEqual([
      "warning: drizzle/meta has no snapshot for 0001_c.",
    ]);
  });

  test("is a migration's by its number where the tag has none", () => {
    const here = folder(
      [
        { tag: "init", schema: "one" },
        { tag: "0001_b", schema: "two" },
      ],
      (files) => {
        files.set("meta/0000_snapshot.json", files.get("meta/init_snapshot.json") ?? "");
        files.delete("meta/init_snapshot.json");
      },
    );
    expect(checkFiles(here, undefined).findings).toEqual([]);
    expect([...handWritten(here)]).toEqual([]);
  });
});

describe("what the base has", () => {
  test("is here as it is there, whatever the line ends", () => {
    const here = folder(MINE, (files) => files.set("0000_a.sql", "\uFEFFselect '0000_a';\r\n"));
    expect(checkUnedited(here, base(folder(BASE))).findings).toEqual([]);
  });

  test("an edit is found, at its line", () => {
    const here = folder(MINE, (files) => files.set("0001_b.sql", "select '0001_b';\n-- more\n"));
    expect(checkUnedited(here, base(folder(BASE))).findings).toEqual([
      {
        level: "error",
        file: "drizzle/0001_b.sql",
        line: 2,
        fact: "drizzle/0001_b.sql differs from origin/main, from line 2 on.",
        remedy: expect.stringContaining("git checkout origin/main -- drizzle/0001_b.sql"),
      },
    ]);
  });

  test("what was taken away is found; what came to the base since is not missed", () => {
    const tip = folder([...BASE, { tag: "0002_theirs" }]);
    expect(facts(checkUnedited(folder([{ tag: "0000_a" }]), base(tip, folder(BASE))))).toEqual([
      "error: 0001_b is in origin/main and not here.",
    ]);
  });
});

describe("new migrations", () => {
  test("come last: nothing is found", () => {
    expect(checkOrder(folder(MINE), base(folder(BASE)))).toEqual({ findings: [], detail: "1 new" });
  });

  test("older than the base's newest, in the journal", () => {
    const here = folder([{ tag: "0000_a" }, { tag: "0001_mine" }, { tag: "0001_b" }]);
    expect(facts(checkOrder(here, base(folder(BASE))))).toEqual([
      "error: 0001_mine is older than 0001_b, the newest of origin/main.",
    ]);
  });

  test("beside one that the base has got since", () => {
    const tip = folder([...BASE, { tag: "0002_theirs" }]);
    expect(facts(checkOrder(folder(MINE), base(tip, folder(BASE))))).toEqual([
      "error: 0002_mine is older than 0002_theirs, the newest of origin/main.",
    ]);
    expect(checkOrder(folder(BASE), base(tip, folder(BASE))).findings).toEqual([]);
  });

  test("with a time that is not after the others'; old ones are as they are", () => {
    const old = [
      { tag: "0000_a", when: 9 },
      { tag: "0001_b", when: 5 },
    ];
    const here = folder([...old, { tag: "0002_mine", when: 9 }, { tag: "0003_x", when: 10 }]);
    const { findings } = checkOrder(here, base(folder(old)));
    expect(facts({ findings })).toEqual([
      "error: 0002_mine has the time 9 in drizzle/meta/_journal.json, which is not after the 9 of 0000_a before it.",
    ]);
    expect(findings[0]).toMatchObject({ file: "drizzle/meta/_journal.json", line: 15 });
    // Without a base nobody knows which are new.
    expect(facts(checkOrder(here, undefined)).map((fact) => fact.slice(0, 16))).toEqual([
      "warning: 0001_b ",
      "warning: 0002_mi",
    ]);
  });
});

test("a migration whose snapshot is that of the one before was written by hand", () => {
  const here = folder(
    [
      { tag: "0000_a", schema: "one" },
      { tag: "0001_b" },
      { tag: "0002_c", schema: "two" },
      { tag: "0003_d" },
    ],
    (files) => files.delete("meta/0003_snapshot.json"),
  );
  expect([...handWritten(here)]).toEqual(["0001_b", "0003_d"]);
});

test("it is too after a rename, and where an older drizzle-kit wrote the one before", () => {
  const here = folder([{ tag: "0000_a" }, { tag: "0001_b" }, { tag: "0002_c" }], (files) => {
    const write = (number: number, prevId: string, schema: object) =>
      files.set(
        `meta/000${number}_snapshot.json`,
        JSON.stringify({ id: `${number}`, prevId, ...schema }),
      );
    const table = { name: "t", columns: { a: { type: "text" } } };
    const renamed = { tables: {}, columns: { "t.b": "t.a" }, schemas: {} };
    write(0, FIRST, { tables: { t: table }, enums: {}, _meta: renamed });
    const more = { policies: {}, isRLSEnabled: false };
    const meta = { tables: {}, columns: {}, schemas: {} };
    write(1, "0", { enums: {}, views: {}, tables: { t: { ...table, ...more } }, _meta: meta });
    write(2, "1", { tables: { t: { ...table, ...more, isRLSEnabled: true } }, _meta: meta });
  });
  expect([...handWritten(here)]).toEqual(["0001_b"]);
});

describe("an annotation of GitHub Actions", () => {
  test("names file, line and column from the repository's root, and escapes what it must", () => {
    const finding = {
      ...({ level: "error", fact: "50% of it\nfailed", remedy: "a, b: c" } as const),
      ...{ file: "drizzle/a,b.sql", line: 2, column: 3 },
    };
    expect(annotation("replay", finding, process.cwd())).toBe(
      "::error file=drizzle/a%2Cb.sql,line=2,col=3,title=tidemark verify%3A replay::50%25 of it%0Afailed%0Aa, b: c",
    );
    expect(annotation("replay", finding, "/")).toContain(`${process.cwd().slice(1)}/drizzle/`);
  });

  test("without a file has a title alone", () => {
    expect(annotation("sum", { level: "warning", fact: "f", remedy: "r" })).toBe(
      "::warning title=tidemark verify%3A sum::f%0Ar",
    );
  });
});
