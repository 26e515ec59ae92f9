import { integer } from "../../base/quote.ts";
import { transact } from "../../connection/ask.ts";
import type { MadeObject } from "../repeatable-types.ts";
import type { HeldRun } from "../run-types.ts";
import { locate } from "./locate.ts";

/** Whether the database still has what was made. */
export type StillThere = "all" | "some" | "none";

/**
 * Looks whether what repeatables made is still there, for each list: `all` for an empty one. Writes nothing.
 *
 * @throws ServerError, SessionLost
 */
export async function lookStillThere(
  run: HeldRun,
  lists: readonly (readonly MadeObject[])[],
): Promise<readonly StillThere[]> {
  const rows = lists.flatMap((list, n) =>
    list
      .filter(({ kind }) => kind !== "indexes")
      .map(
        (made) =>
          `select ${integer(n)} as n, exists (select from (${locate(made, "1 as x")}) f where f.objid is not null) as there`,
      ),
  );
  if (rows.length === 0) return lists.map(() => "all");
  const reply = await transact(
    run.session,
    "dependents",
    [
      "set local search_path to default",
      `select f.n as tidemark_list, pg_catalog.bool_and(f.there) as is_all, pg_catalog.bool_or(f.there) as is_any
from (${rows.join("\nunion all\n")}) f group by f.n`,
    ],
    "rollback",
  );
  const found = new Map(
    reply.rows
      .filter((row) => "tidemark_list" in row)
      .map((row) => [Number(row.tidemark_list), row] as const),
  );
  return lists.map((_, n) => {
    const row = found.get(n);
    if (row === undefined || row.is_all === true) return "all";
    return row.is_any === true ? "some" : "none";
  });
}
