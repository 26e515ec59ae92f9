import { shortened } from "../../../base/text.ts";
import { recordedError } from "../../errors.ts";
import type { RowValues } from "../../run-types.ts";
import { maskText } from "../../sql/secrets.ts";
import type { ParsedStep } from "../../sql/segments.ts";
import {
  type Aftermath,
  type FailureText,
  type ServerErrorFields,
  stageText,
  stateText,
  withoutSecrets,
} from "../failure-text.ts";
import type { CodeTrouble } from "./code-trouble.ts";

/**
 * A failure of code, as it is recorded and as it is printed: of what the server said, without row values.
 */
export function recordTrouble(
  { migration, total }: ParsedStep,
  trouble: CodeTrouble,
  raw: ServerErrorFields,
  rowValues: RowValues,
  aftermath: Aftermath,
  more: readonly string[] = [],
): FailureText {
  const { place, stage, snippet: shown } = trouble;
  const file = migration.code?.file ?? migration.file;
  const error = withoutSecrets(raw, [], rowValues);
  const message = maskText(shortened(trouble.message), []);
  const where = place === undefined ? "" : `:${place.line}:${place.column}`;
  const at = stage === "ran" ? "" : `, ${stageText({ kind: stage })}`;
  const failure = [
    `${file}${where}: ${message}`,
    ...(shown === undefined ? [] : ["", shown, ""]),
    `${trouble.what}, statement ${total} of ${total}${at}${error.code === "" ? "" : `, SQLSTATE ${error.code}`}`,
    ...trouble.causes.map((cause) => `cause: ${maskText(shortened(cause), [])}`),
    ...(error.detail ? [`detail: ${error.detail}`] : []),
    ...(error.hint ? [`hint: ${error.hint}`] : []),
    ...(error.where ? [`context: ${error.where.replaceAll("\n", "\n         ")}`] : []),
    ...more,
  ].join("\n");
  const recorded = recordedError({
    sqlState: error.code || null,
    message,
    detail: error.detail ?? null,
    hint: error.hint ?? null,
    where: error.where ?? null,
    file,
    line: place?.line ?? null,
    column: place?.column ?? null,
    statement: total,
    statements: total,
    text: `${failure}\n${stateText(migration.tag, { ...aftermath, next: `its ${trouble.what}` })}`,
  });
  return { recorded, failure };
}
