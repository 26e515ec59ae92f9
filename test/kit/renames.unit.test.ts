import { describe, expect, test } from "vitest";
import { createAnswering } from "../../src/db/kit/answers.ts";
import { checkName } from "../../src/db/kit/full-names.ts";
import type { Question, Rename, RenameKind } from "../../src/db/kit/model.ts";
import { parseRenames, renameText } from "../../src/db/kit/renames.ts";

function parse(kind: RenameKind, ...texts: readonly string[]) {
  const problems: string[] = [];
  const renames = parseRenames({ [kind]: texts }, problems);
  return { renames, problems };
}

describe("an option", () => {
  test.each<[RenameKind, string, readonly string[], readonly string[]]>([
    [
      "column",
      "users.name=full_name",
      ["public", "users", "name"],
      ["public", "users", "full_name"],
    ],
    ["column", "app.users.name=full", ["app", "users", "name"], ["app", "users", "full"]],
    ["column", "users.name=users.full", ["public", "users", "name"], ["public", "users", "full"]],
    ["column", "Users.fullName=name", ["public", "Users", "fullName"], ["public", "Users", "name"]],
    ["column", '"odd.table"."x=y"=z', ["public", "odd.table", "x=y"], ["public", "odd.table", "z"]],
    ["column", 'users."a ""b"""=c', ["public", "users", 'a "b"'], ["public", "users", "c"]],
    ["table", "users=people", ["public", "users"], ["public", "people"]],
    ["table", "app.users=people", ["app", "users"], ["app", "people"]],
    ["table", "users=app.users", ["public", "users"], ["app", "users"]],
    ["table", "app.users=public.users", ["app", "users"], ["public", "users"]],
    ["enum", "mood=feeling", ["public", "mood"], ["public", "feeling"]],
    ["schema", "app=core", ["app"], ["core"]],
    ["role", "reader=viewer", ["reader"], ["viewer"]],
    ["policy", "users.a=b", ["public", "users", "a"], ["public", "users", "b"]],
    ["policy", "a=b", ["a"], ["b"]],
  ])("of a %s reads %s", (kind, text, from, to) => {
    expect(parse(kind, text)).toEqual({ renames: [{ kind, from, to }], problems: [] });
  });

  test.each<[RenameKind, string]>([
    ["column", "name=full_name"],
    ["column", "users.name"],
    ["column", "users.name="],
    ["column", "users.=x"],
    ["column", "users.name=posts.name"],
    ["column", "a.b.c.d=e"],
    ["column", "a.b=c=d"],
    ["column", 'users."name=full'],
    ["column", 'users."na"me=full'],
    ["table", "a.b.c=d"],
    ["schema", "a.b=c"],
    ["role", "a=b.c"],
    ["table", ""],
  ])("of a %s refuses %j", (kind, text) => {
    const { renames, problems } = parse(kind, text);
    expect(renames).toEqual([]);
    expect(problems).toEqual([expect.stringContaining(`${JSON.stringify(text)}, where old=new`)]);
  });

  test("contradicts another that takes the same name, or gives it", () => {
    expect(parse("column", "t.a=b", "t.a=c").problems).toEqual([
      "--rename t.a=b and --rename t.a=c contradict each other",
    ]);
    expect(parse("table", "a=c", "b=c").problems).toHaveLength(1);
    expect(parse("table", "a=c", "app.a=c").problems).toEqual([]);
  });

  test.each<[Rename, string]>([
    [
      { kind: "column", from: ["public", "users", "name"], to: ["public", "users", "full_name"] },
      "--rename users.name=full_name",
    ],
    [
      { kind: "column", from: ["app", "odd.table", "it's"], to: ["app", "odd.table", "x"] },
      `--rename 'app."odd.table"."it'\\''s"=x'`,
    ],
    [{ kind: "table", from: ["public", "a"], to: ["app", "a"] }, "--rename-table a=app.a"],
    [{ kind: "table", from: ["app", "a"], to: ["public", "a"] }, "--rename-table app.a=public.a"],
    [{ kind: "table", from: ["app", "a"], to: ["app", "b"] }, "--rename-table app.a=b"],
    [
      { kind: "table", from: ["public", "größe"], to: ["public", "$x"] },
      `--rename-table 'größe="$x"'`,
    ],
    [{ kind: "role", from: ["public"], to: ["a-b"] }, `--rename-role 'public="a-b"'`],
  ])("is written as it is read: %j", (rename, text) => {
    expect(renameText(rename)).toBe(text);
    const typed = text.slice(text.indexOf(" ") + 1);
    const argument = typed.startsWith("'") ? typed.slice(1, -1).replaceAll(`'\\''`, "'") : typed;
    expect(parse(rename.kind, argument).renames).toEqual([rename]);
  });
});

describe("a migration's name", () => {
  test.each(["add_orgs", "Ünïcode-2", "_x", "a".repeat(100)])("may be %s", (name) => {
    expect(() => checkName(name)).not.toThrow();
  });

  test.each(["../x", "a/b", "a b", "a.down", "", "..", "a\\b", "-x", "a\nb", "a".repeat(101)])(
    "may not be %j",
    (name) => {
      expect(() => checkName(name)).toThrow(`${JSON.stringify(name)} cannot be a migration's name`);
    },
  );
});

describe("a question", () => {
  const column = (created: string, ...candidates: readonly string[]): Question => ({
    kind: "column",
    created: ["public", "users", created],
    candidates: candidates.map((name) => ["public", "users", name]),
  });
  const answering = (
    flags: Parameters<typeof parseRenames>[0],
    {
      others = "ask",
      canPrompt = false,
    }: { others?: "ask" | "drop-and-add"; canPrompt?: boolean } = {},
  ) => createAnswering({ renames: parseRenames(flags, []), others }, { canPrompt });

  test("is answered by the rename that names both", () => {
    const { answer, used, open } = answering({ column: ["users.b=y"] });
    expect(answer(column("y", "a", "b"))).toBe(2);
    expect(used()).toHaveLength(1);
    expect(open()).toEqual([]);
  });

  test("that nothing answers stays open, and is taken for new meanwhile", () => {
    const { answer, open } = answering({});
    expect(answer(column("x", "a"))).toBe(0);
    expect(open()).toEqual([column("x", "a")]);
  });

  test("is put to a person where there is one", () => {
    const { answer, open, prompted, used } = answering({}, { canPrompt: true });
    expect(answer(column("x", "a"))).toBe("prompt");
    prompted(1);
    expect(used()).toEqual([
      { kind: "column", from: ["public", "users", "a"], to: ["public", "users", "x"] },
    ]);
    expect(open()).toEqual([]);
  });

  test("is none where its only choice is given to another", () => {
    const { answer, open } = answering({ column: ["users.a=y"] });
    expect(answer(column("x", "a"))).toBe(0);
    expect(answer(column("y", "a"))).toBe(1);
    expect(open()).toEqual([]);
  });

  test("with drop and add is new, and what that drops is told", () => {
    const { answer, open, assumed } = answering(
      { column: ["users.a=y"] },
      { others: "drop-and-add", canPrompt: true },
    );
    expect(answer(column("y", "a", "b", "c"))).toBe(1);
    expect(answer(column("z", "b", "c"))).toBe(0);
    expect(answer(column("w", "b", "c"))).toBe(0);
    expect(open()).toEqual([]);
    const names = (...list: readonly string[]) => list.map((name) => ["public", "users", name]);
    expect(assumed()).toEqual([
      { kind: "column", dropped: names("b", "c"), added: names("z", "w") },
    ]);
  });

  test("of a renamed table's column is answered by the table's old name and by its new one", () => {
    for (const typed of ["users.a=x", "people.a=x"]) {
      const { answer, unused } = answering({ table: ["users=people"], column: [typed] });
      const asked = { kind: "column", created: ["public", "people", "x"] } as const;
      expect(
        answer({ kind: "table", created: ["public", "people"], candidates: [["public", "users"]] }),
      ).toBe(1);
      expect(answer({ ...asked, candidates: [["public", "people", "a"]] })).toBe(1);
      expect(unused()).toEqual([]);
    }
  });

  test("in a renamed schema is answered by the schema's old name too", () => {
    const { answer, unused } = answering({ schema: ["app=core"], column: ["app.users.a=x"] });
    answer({ kind: "schema", created: ["core"], candidates: [["app"]] });
    expect(
      answer({
        kind: "column",
        created: ["core", "users", "x"],
        candidates: [["core", "users", "a"]],
      }),
    ).toBe(1);
    expect(unused()).toEqual([]);
  });

  test("about a schema comes before those about what lies in it", () => {
    const { answer, open } = answering({});
    answer({ kind: "schema", created: ["core"], candidates: [["app"]] });
    answer({ kind: "table", created: ["core", "users"], candidates: [["app", "users"]] });
    const inBoth = [
      ["app", "users"],
      ["public", "y"],
    ];
    answer({ kind: "table", created: ["public", "x"], candidates: inBoth });
    expect(open()).toEqual([
      { kind: "schema", created: ["core"], candidates: [["app"]] },
      { kind: "table", created: ["public", "x"], candidates: [["public", "y"]] },
    ]);
  });
});
