import { literal } from "../base/quote.ts";
import type { PlannedRepeatable, PlannedStep, PlanReport, Tag } from "../migrate/index.ts";

function head(tags: readonly Tag[]): string {
  const marks = tags.map((tag) => ` --mark-applied ${tag}`).join("");
  return `-- What \`tidemark migrate\` would run, for psql. It takes no lease, tries for no lock again, does not resume, and does not
-- write Tidemark's ledger. After it has run, tell the ledger, or Tidemark will run these migrations again:
--   tidemark adopt${marks}
\\set ON_ERROR_STOP on`;
}

/** A plan as a script that psql can run: each segment is a transaction. */
export function scriptOf({
  steps,
  repeatables,
}: Pick<PlanReport, "steps" | "repeatables">): string {
  const parts = [head(steps.map(({ tag }) => tag)), ...steps.map(stepScript)];
  return [...parts, ...repeatables.map(repeatableScript)].join("\n\n");
}

/** Whether psql can run it depends on what is there: Tidemark drops and makes again what cannot be replaced. */
function repeatableScript({ tag, file, statements, masked }: PlannedRepeatable): string {
  const sql = statements.map((_, i) =>
    statementScript({ tag, statements, resumeAt: 0, masked }, i + 1),
  );
  const note = "Tidemark runs it again. What SQL cannot replace must be dropped first";
  return [`-- ${tag} (${file}). ${note}.`, "BEGIN;", ...sql, "COMMIT;", "RESET ALL;"].join("\n");
}

/** A statement with its semicolon, which a comment at its end must not swallow. */
export function ended(sql: string): string {
  const text = sql.trim();
  const [last = ""] = text.split("\n").slice(-1);
  return last.includes("--") ? `${text}\n;` : `${text};`;
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
  const code =
    step.code === null ? [] : [`-- Not in this script: ${step.code.file}, which comes after it.`];
  return [`-- ${tag} (${file}${from})`, ...parts, ...end, ...code].join("\n");
}

function statementScript(
  {
    tag,
    statements,
    resumeAt,
    masked,
  }: Pick<PlannedStep, "tag" | "statements" | "resumeAt" | "masked">,
  number: number,
): string {
  const sql = ended(statements[number - resumeAt - 1] ?? "");
  if (!masked.includes(number)) return sql;
  const refusal = `Statement ${number} of ${tag} has a secret that is masked here: put it in, and delete this DO block.`;
  return `DO $refuse$ BEGIN RAISE EXCEPTION USING MESSAGE = ${literal(refusal)}; END $refuse$;\n${sql}`;
}
