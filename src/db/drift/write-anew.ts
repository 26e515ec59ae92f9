import { errorCode } from "../base/problem.ts";
import type { Difference } from "../catalog/index.ts";
import { openSession } from "../pool/open-session.ts";

type Different = Difference & { readonly change: "different" };

/** Both definitions as one server writes them; undefined where it cannot. */
export type WrittenAnew = ReadonlyMap<
  Difference,
  { readonly expected: string; readonly found: string } | undefined
>;

/** Kinds whose definition each major version writes in its own way, and what reads it back. */
const WRITTEN: Readonly<Record<string, (definition: string) => readonly [string, string]>> = {
  view: asView,
  "materialized view": asView,
  rule: (definition) => [
    definition.replace(/^create rule/i, "create or replace rule"),
    `select pg_catalog.pg_get_ruledef(r.oid) as text from pg_catalog.pg_rewrite r
     where r.rulename <> '_RETURN' and r.xmin = pg_catalog.pg_current_xact_id()::xid order by r.oid desc limit 1`,
  ],
};

function asView(definition: string): readonly [string, string] {
  return [
    `create temporary view tidemark_anew as ${definition}`,
    "select pg_catalog.pg_get_viewdef('pg_temp.tidemark_anew'::pg_catalog.regclass) as text",
  ];
}

export function isWritten(difference: Difference): difference is Different {
  return (
    difference.change === "different" &&
    difference.property === "definition" &&
    difference.kind in WRITTEN
  );
}

/** What a definition names is not there, or is of another type: it says something else. */
const OTHER = /^(42(P01|P02|703|704|883|804|846|725)|3F000)$/;

/**
 * Lets a server write definitions of views and rules once more, in transactions that it takes back: PostgreSQL 15 writes
 * `users.age` where 16 writes `age`, and neither shows that somebody changed the view.
 *
 * @param url a database that has what is expected
 * @throws DatabaseError `config`, `connect`
 */
export async function writeAnew(
  url: string,
  differences: readonly Different[],
): Promise<WrittenAnew> {
  const written = new Map<Difference, { expected: string; found: string } | undefined>();
  if (differences.length === 0) return written;
  const session = await openSession(url, "tidemark-drift");
  const anew = async (kind: string, definition: string) => {
    const [make, read] = WRITTEN[kind]?.(definition) ?? ["", ""];
    await session.run({ text: "begin" });
    try {
      // As the catalogs are read: every name with its schema.
      await session.run({ text: "set local search_path to ''" });
      await session.run({ text: make });
      const [row] = await session.run({ text: read });
      return String(row?.text);
    } finally {
      await session.run({ text: "rollback" });
    }
  };
  try {
    for (const difference of differences) {
      const { kind } = difference;
      const expected = await anew(kind, difference.expected).catch(() => undefined);
      const found = await anew(kind, difference.found).catch((error: unknown) =>
        OTHER.test(errorCode(error) ?? "") ? difference.found : undefined,
      );
      const isWhole = expected !== undefined && found !== undefined;
      written.set(difference, isWhole ? { expected, found } : undefined);
    }
  } finally {
    await session.end();
  }
  return written;
}
