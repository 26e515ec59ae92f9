import { literal } from "../../../base/quote.ts";
import { ask } from "../../../connection/ask.ts";
import { MigrateError } from "../../errors.ts";
import type { HeldRun } from "../../run-types.ts";
import { concurrentIndexes, partitionedParent } from "../../sql/borders.ts";
import { isDecisive } from "../../sql/made-settings.ts";
import type { ParsedStep } from "../../sql/segments.ts";

/**
 * Checks, under the lease and before anything runs, what the files do not show.
 *
 * @throws MigrateError `unsupported_statement`, `config`
 */
export async function checkOutsideStatements(
  run: HeldRun,
  steps: readonly ParsedStep[],
): Promise<void> {
  if (!run.lease.direct) checkBehindPooler(run, steps);
  const indexes = concurrentIndexes(steps);
  if (indexes.length === 0) return;
  const names = indexes.map(({ table }) => `(${literal(table)})`);
  const { rows } = await ask(
    run.session,
    "partitioned",
    // Without a right on its schema `to_regclass` fails, and it is the file's role that needs it.
    `select n.name as tidemark_partitioned
from (values ${[...new Set(names)].join(", ")}) n (name)
cross join lateral (select pg_catalog.parse_ident(n.name) as parts) i
join pg_catalog.pg_class c on c.oid = case
  when pg_catalog.cardinality(i.parts) = 1 then pg_catalog.to_regclass(n.name)
  else (select x.oid from pg_catalog.pg_class x join pg_catalog.pg_namespace s on s.oid = x.relnamespace
    where s.nspname = i.parts[1] and x.relname = i.parts[2]) end
where c.relkind = 'p'`,
  );
  const parents = new Set(rows.map((row) => row.tidemark_partitioned));
  const bad = indexes.find(({ table }) => parents.has(table));
  if (bad !== undefined) throw partitionedParent(bad.migration, bad.placed, bad.table);
}

/** What a pooler may give to another client's session, or keep there when the file has ended. */
function warnOfSessionObjects({ onProgress }: HeldRun, steps: readonly ParsedStep[]): void {
  for (const { migration, statements, resumeAt } of steps) {
    const found = new Set(
      statements.slice(resumeAt).flatMap(({ tree, text }) => [
        ...("PrepareStmt" in tree ? ["PREPARE"] : []),
        // In the body of a block too, which the grammar does not read.
        ...(SESSION_LOCK.exec(text)?.slice(0, 1) ?? []),
      ]),
    );
    if (found.size === 0) continue;
    const message =
      `a pooler is between this run and the server, and ${migration.file} uses ${[...found].join(" and ")}: that stays in the server's session ` +
      "when the file has ended, where it meets other clients. Connect without the pooler (MIGRATION_DATABASE_URL), or use pg_advisory_xact_lock and plain statements.";
    onProgress({ kind: "warning", warning: { kind: "pooler", message } });
  }
}

const SESSION_LOCK = /\bpg_(?:try_)?advisory_lock(?:_shared)?\b/i;

function checkBehindPooler(run: HeldRun, steps: readonly ParsedStep[]): void {
  const { onProgress } = run;
  warnOfSessionObjects(run, steps);
  const outside = steps.flatMap(({ migration, segments }) =>
    segments.flatMap((segment) => (segment.kind === "outside" ? [{ migration, segment }] : [])),
  );
  const decisive = outside.find(({ segment }) => segment.settings.session.some(isDecisive));
  if (decisive !== undefined) {
    const { migration, segment } = decisive;
    const names = segment.settings.session.filter(isDecisive).map(({ text }) => text.trim());
    throw new MigrateError({
      code: "config",
      tag: migration.tag,
      fact:
        `${migration.file}: statement ${segment.placed.index + 1} (${segment.outside.label}) runs outside a transaction, where a pooler ` +
        `does not keep what the file has set before: ${names.join("; ")}.`,
      outcome: "nothing-run",
      remedy:
        "Connect without the pooler (MIGRATION_DATABASE_URL), or name the schema in the statement and take the setting out.",
    });
  }
  if (outside.length === 0) return;
  const labels = outside.map(({ segment }) => segment.outside.label).join(", ");
  const message =
    `a pooler is between this run and the server: ${labels} ${outside.length === 1 ? "runs" : "run"} with the role's own settings, time-outs too. ` +
    "A direct MIGRATION_DATABASE_URL is safer.";
  onProgress({ kind: "warning", warning: { kind: "pooler", message } });
}
