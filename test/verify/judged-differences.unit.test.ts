import { describe, expect, test } from "vitest";
import type { Difference } from "../../src/db/catalog/index.ts";
import { withoutVersions } from "../../src/db/drift/versions.ts";
import { judge } from "../../src/db/verify/expressible.ts";

const missing = (kind: string, name: string, expected: string, within: readonly string[] = []) =>
  ({ kind, name, change: "missing", expected, within }) satisfies Difference;
const unexpected = (kind: string, name: string, found: string, within: readonly string[] = []) =>
  ({ kind, name, change: "unexpected", found, within }) satisfies Difference;
const different = (kind: string, name: string, property: string, expected: string, found: string) =>
  ({ kind, name, change: "different", property, expected, found, within: [] }) satisfies Difference;

const verdicts = (...differences: readonly Difference[]) =>
  judge(differences).map(({ difference, verdict }) => `${difference.name}: ${verdict}`);

describe("of what differs from a Drizzle schema", () => {
  test("what Drizzle cannot say is none of its business", () => {
    expect(
      verdicts(
        unexpected("function", "f()", ""),
        unexpected("constraint", "t.x", "EXCLUDE USING gist (a WITH =)"),
        unexpected("table", "part", "partition of t"),
        different("table", "t", "comment", "none", "hi"),
        different("column", "t.a", "collation", "none", "C"),
        different(
          "index",
          "i",
          "definition",
          "CREATE INDEX i ON t (a)",
          "CREATE INDEX i ON t (a) INCLUDE (b)",
        ),
        different(
          "constraint",
          "c",
          "definition",
          "UNIQUE (a)",
          "UNIQUE (a) DEFERRABLE INITIALLY DEFERRED",
        ),
      ),
    ).toEqual([]);
  });

  test("what it declares must be there as declared; more of it may be made by hand", () => {
    expect(
      verdicts(
        missing("index", "i", "CREATE INDEX i"),
        unexpected("index", "j", "CREATE INDEX j"),
        different("index", "k", "definition", "CREATE INDEX k ON t (a)", "CREATE INDEX k ON t (b)"),
        different("view", "v", "options", "security_invoker=true", "none"),
        different("table", "t", "row level security", "no", "yes"),
      ),
    ).toEqual(["i: wrong", "j: unless-by-hand", "k: wrong", "v: wrong", "t: unless-by-hand"]);
  });

  test("the order of an enum's values is no mistake", () => {
    const values = different("type", "mood", "values", "a, b", "b, a");
    expect(verdicts({ ...values, isOrderAlone: true })).toEqual(["mood: order"]);
    expect(verdicts(different("type", "mood", "values", "a, b", "a"))).toEqual(["mood: wrong"]);
  });

  test("a renamed table keeps the names of its primary key and its sequence", () => {
    const within = ["public", "public.people"];
    expect(
      verdicts(
        missing("constraint", "people.people_pkey", "PRIMARY KEY (id)", within),
        unexpected("constraint", "people.users_pkey", "PRIMARY KEY (id)", within),
        missing("sequence", "people_id_seq", "", []),
        unexpected("sequence", "users_id_seq", "", []),
        different(
          "column",
          "people.id",
          "default",
          "nextval('people_id_seq'::regclass)",
          "nextval('users_id_seq'::regclass)",
        ),
        different(
          "column",
          "p.id",
          "identity",
          "sequence public.p_id_seq",
          "sequence public.q_id_seq",
        ),
        missing("constraint", "people.b", "UNIQUE (b)", within),
        unexpected("constraint", "people.c", "UNIQUE (b)", within),
      ),
    ).toEqual(["people.b: wrong", "people.c: unless-by-hand"]);
  });
});

test("between two major versions, what they write in two ways is the same, or a warning", () => {
  const same = different("view", "v", "definition", "SELECT id", "SELECT t.id");
  const changed = different("view", "w", "definition", "SELECT id", "SELECT t.more");
  const { real, warnings } = withoutVersions(
    [
      different("table", "t", "grants to app", "DELETE, MAINTAIN, SELECT", "DELETE, SELECT"),
      different("table", "u", "grants to app", "DELETE, MAINTAIN", "SELECT"),
      same,
      changed,
      different("view", "x", "definition", "SELECT id", "SELECT t.id"),
      different("schema", "public", "grants to PUBLIC", "USAGE", "CREATE, USAGE"),
      different("schema", "shop", "grants to PUBLIC", "USAGE", "CREATE, USAGE"),
      different("schema", "public", "owner", "a role of the server", "cloudsqladmin"),
      different("schema", "shop", "owner", "a role of the server", "cloudsqladmin"),
      different("column", "t.a", "type", "text", "integer"),
    ],
    new Map([
      [same, { expected: "SELECT id", found: "SELECT id" }],
      [changed, { expected: "SELECT id", found: "SELECT more" }],
    ]),
    { expected: 18, found: 14 },
  );
  expect(real.map(({ name }) => name)).toEqual(["u", "w", "shop", "shop", "t.a"]);
  expect(real[1]).toMatchObject({ expected: "SELECT id", found: "SELECT more" });
  expect(warnings).toEqual([
    {
      kind: "definitions",
      message:
        "Not compared, because the two versions write it differently and the scratch server cannot: the definition of view x.",
    },
  ]);
});
