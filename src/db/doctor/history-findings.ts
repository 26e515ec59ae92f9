import { adviceOf } from "../base/problem.ts";
import { listed, plural } from "../base/text.ts";
import type { PlanReport, StatusReport } from "../migrate/index.ts";
import { treesOf } from "../sql-tree/tree.ts";
import type { Facts, Finding } from "./doctor-types.ts";
import { fine, wrong } from "./finding.ts";

/** Whether the ledger, the folder and drizzle's table agree, and what runs have left. */
export function historyFindings(status: StatusReport): readonly Finding[] {
  const { problems, warnings, migrations, backfills } = status;
  const found: Finding[] = problems.map((problem) =>
    wrong("history", "error", problem.fact, adviceOf(problem)),
  );
  if (problems.length === 0) found.push(fine("history", agreement(status)));
  for (const { message } of warnings) {
    found.push(wrong("history", "warning", capitalized(message), "`tidemark status` shows where."));
  }
  for (const { tag, state } of migrations) {
    if (state.kind === "FAILED") {
      const remedy = "Mend the file or the database; the next `tidemark migrate` tries it again.";
      found.push(wrong("failed", "warning", `${tag} failed: ${state.error.text}`, remedy));
    } else if (state.kind === "STUCK") {
      const { doubt } = state;
      found.push(
        wrong(
          "stuck",
          doubt === undefined ? "warning" : "error",
          `${tag} was started and not ended${doubt === undefined ? "" : `: ${doubt.reason}`}.`,
          doubt === undefined
            ? "The next `tidemark migrate` goes on with it."
            : `Look whether it was done, then: tidemark resolve ${tag} --done | --retry`,
        ),
      );
    }
  }
  for (const { tag, state, error } of backfills) {
    if (state !== "FAILED") continue;
    const fact = `The backfill of ${tag} failed${error === null ? "" : `: ${error.message}`}.`;
    found.push(wrong("backfill", "warning", fact, `tidemark backfill resume ${tag}`));
  }
  return found;
}

function agreement({ newer, pending, version, drizzle, migrations }: StatusReport): string {
  if (migrations.length === 0) return "There is no migration, here or in the folder.";
  const at = version === undefined ? "no migration is applied" : `the database is at ${version}`;
  const left = newer ? "ahead of this folder" : `${pending} pending`;
  if (drizzle === undefined) return `Ledger and folder agree: ${at}, ${left}.`;
  const { table, rows } = drizzle;
  return `drizzle's ${table} and the folder agree: the next run takes over ${plural(rows, "row")}; ${left}.`;
}

/** What pending migrations want of the server that it does not have. */
export async function extensionFindings(
  { steps }: Pick<PlanReport, "steps">,
  { available }: Facts["database"],
): Promise<readonly Finding[]> {
  const there = new Set(available ?? []);
  const wanted: string[] = [];
  for (const { tag, statements } of steps) {
    for (const tree of (await Promise.all(statements.map(treesOf))).flat()) {
      if (!("CreateExtensionStmt" in tree)) continue;
      const { extname = "" } = tree.CreateExtensionStmt;
      if (!there.has(extname)) wanted.push(`${extname} (${tag})`);
    }
  }
  if (wanted.length === 0) return [];
  const fact = `Pending migrations create extensions that the server does not have: ${listed(wanted)}.`;
  return [wrong("extensions", "error", fact, "Install their packages on the server's machine.")];
}

function capitalized(sentence: string): string {
  return sentence.slice(0, 1).toUpperCase() + sentence.slice(1);
}
