import { literal } from "../base/quote.ts";
import type { PlannedStep, PlanReport } from "../migrate/index.ts";

const HEAD = `-- What \`tidemark migrate\` would run, for psql. It does not write Tidemark's ledger: after it has run, tell the
-- ledger with \`tidemark adopt --mark-applied <tag>\`, or Tidemark will run these migrations again. It takes no lease,
-- tries for no lock again, and does not resume.
\\set ON_ERROR_STOP on`;

/** A plan as a script that psql can run: each segment is a transaction. */
export function scriptOf({ steps }: Pick<PlanReport, "steps">): string {
  return [HEAD, ...steps.map(stepScript)].join("\n\n");
}

function stepScript(step: PlannedStep): string {
  const { tag, file, segments, resumeAt } = step;
  const from = resumeAt > 0 ? `, from statement ${resumeAt + 1}` : "";
  const parts = segments.map(({ kind, statements }) => {
    const sql = statements.map((number) => statementScript(step, number));
    if (kind === "outside") return sql.join("\n");
    return ["BEGIN;", "SET LOCAL lock_timeout = '5s';", ...sql, "COMMIT;"].join("\n");
  });
  // A file's SET lasts for the session.
  const sets = step.statements.some((sql) => /^\s*set\b/i.test(sql));
  const end = sets ? ["RESET SESSION AUTHORIZATION;", "RESET ALL;"] : [];
  return [`-- ${tag} (${file}${from})`, ...parts, ...end].join("\n");
}

function statementScript(
  { tag, statements, resumeAt, masked }: PlannedStep,
  number: number,
): string {
  const sql = `${(statements[number - resumeAt - 1] ?? "").trim()};`;
  if (!masked.includes(number)) return sql;
  const refusal = `Statement ${number} of ${tag} has a secret that is masked here: put it in, and delete this DO block.`;
  return `DO $refuse$ BEGIN RAISE EXCEPTION USING MESSAGE = ${literal(refusal)}; END $refuse$;\n${sql}`;
}
