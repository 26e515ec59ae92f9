import { plural } from "../db/base/text.ts";
import { EXIT_CODES, MigrateError } from "../db/migrate/index.ts";
import {
  type CheckResult,
  type Finding,
  type VerifyReport,
  verifyProject,
} from "../db/verify/index.ts";
import { annotation } from "./support/annotation.ts";
import { reporting } from "./support/command.ts";
import type { Output } from "./support/output.ts";
import { readProject } from "./support/project-config.ts";
import { type ScratchFlags, scratchOf } from "./support/scratch.ts";
import type { CommonFlags } from "./support/settings.ts";

interface VerifyFlags extends CommonFlags, ScratchFlags {
  readonly base?: string;
  readonly format?: string;
}

/** Progress is shown after this delay. */
const QUIET_MS = 1_000;

/** `tidemark verify`: the gate of a pull request. */
export function runVerify(flags: VerifyFlags): Promise<number> {
  return reporting(flags, async (output, { signal }) => {
    refuseUnknownFormat(flags.format);
    const project = await readProject(flags, "folder");
    const { dir, warnings } = project;
    for (const warning of warnings) output.error(`warning: ${warning}`);
    let saidAt = performance.now();
    const report = await verifyProject({
      cwd: process.cwd(),
      dir,
      ...(flags.config !== undefined && { config: flags.config }),
      ...(flags.base !== undefined && { base: flags.base }),
      ...scratchOf(flags, project, output),
      signal,
      onCheck: (event) => {
        const now = performance.now();
        if (event.kind === "done") {
          saidAt = now;
          printResult(event.result, output);
        } else if (now - saidAt > QUIET_MS) {
          saidAt = now;
          output.note(output.errorColors.dim(`  ${event.text}`));
        }
      },
    });
    output.json(report);
    if (flags.format === "github") printAnnotations(report, output);
    output.print(summary(report, output));
    output.note(nextText(report, flags));
    return report.ok ? 0 : EXIT_CODES.verify_failed;
  });
}

function nextText({ ok }: VerifyReport, { base }: VerifyFlags): string {
  if (!ok) return "Next: correct what is marked with ✗, then verify again.";
  if (base === undefined) return "Next: commit the migrations; CI verifies them against the base.";
  return "Next: they can be merged.";
}

const FORMATS = ["text", "github"];

function refuseUnknownFormat(format = "text"): void {
  if (FORMATS.includes(format)) return;
  throw new MigrateError({
    code: "usage",
    fact: `--format is ${JSON.stringify(format)}, where ${FORMATS.join(" or ")} is expected.`,
    remedy: "--json prints one JSON object.",
  });
}

function printResult({ status, title, detail, findings }: CheckResult, output: Output): void {
  const { green, red, yellow, dim } = output.colors;
  const marks = { passed: green("✓"), failed: red("✗"), blocked: yellow("–"), skipped: dim("–") };
  const mark = marks[status];
  const why = detail === undefined ? "" : dim(` (${detail})`);
  const isOpen = status === "blocked" || status === "skipped";
  const text = isOpen ? `${title}: not checked` : title;
  output.print(`${mark} ${text}${why}`);
  for (const finding of shown(findings)) output.print(findingText(finding, output));
}

const MOST_WARNINGS = 20;

/** All errors, and the first warnings: an old folder may have hundreds. */
function shown(findings: readonly Finding[]): readonly Finding[] {
  const warnings = findings.filter(({ level }) => level === "warning");
  const errors = findings.filter(({ level }) => level === "error");
  const hidden = warnings.length - MOST_WARNINGS;
  if (hidden <= 0) return [...errors, ...warnings];
  return [
    ...errors,
    ...warnings.slice(0, MOST_WARNINGS),
    {
      level: "warning",
      fact: `${hidden} more warnings.`,
      remedy: "--json lists them all; with --base, only new migrations are checked for warnings.",
    },
  ];
}

function findingText({ level, fact, remedy }: Finding, { colors }: Output): string {
  const mark = level === "error" ? colors.red("error") : colors.yellow("warning");
  const indented = `${mark} ${fact}\n${remedy}`.replaceAll("\n", "\n    ");
  return `    ${indented}`;
}

function printAnnotations({ checks }: VerifyReport, output: Output): void {
  for (const { name, findings } of checks) {
    for (const finding of findings) output.print(annotation(name, finding));
  }
}

function summary({ ok, checks, durationMs }: VerifyReport, { colors }: Output): string {
  const seconds = (durationMs / 1000).toFixed(1);
  const count = (status: CheckResult["status"]) =>
    checks.filter((check) => check.status === status).length;
  const warnings = checks
    .flatMap(({ findings }) => findings)
    .filter(({ level }) => level === "warning").length;
  const warned = warnings === 0 ? "" : `, ${plural(warnings, "warning")}`;
  const open = count("blocked") + count("skipped");
  const notLooked = open === 0 ? "" : `, ${open} not checked`;
  if (ok)
    return colors.green(
      `Verified: ${count("passed")} checks in ${seconds} s${notLooked}${warned}.`,
    );
  return colors.red(
    `Not verified: ${count("failed")} of ${checks.length} checks failed${notLooked}${warned} (${seconds} s).`,
  );
}
