import { plural } from "../db/base/text.ts";
import { urlWarnings } from "../db/connection/driver-options.ts";
import { examine, type Finding } from "../db/doctor/index.ts";
import { type DatabaseContext, withDatabase } from "./support/command.ts";
import type { Output } from "./support/output.ts";
import type { CommonFlags } from "./support/settings.ts";

/** Exit code where something would forbid a run. */
const EXIT_WRONG = 1;

/** `tidemark doctor`: what a run would meet, before anybody deploys; exits with 1 where something is wrong. */
export function runDoctor(flags: CommonFlags): Promise<number> {
  return withDatabase(flags, async ({ output, url, migrator, signal }: DatabaseContext) => {
    const { dir, ledgerSchema, drizzleTable, connectTimeoutMs = 10_000 } = migrator;
    const findings = [
      ...urlWarnings(url).map(
        ({ message }): Finding => ({ code: "url", level: "warning", fact: message, remedy: null }),
      ),
      ...(await examine({
        ...{ url, dir, connectTimeoutMs, signal },
        ...(ledgerSchema !== undefined && { ledgerSchema }),
        ...(drizzleTable !== undefined && { drizzleTable }),
      })),
    ];
    const count = (level: Finding["level"]) => findings.filter((one) => one.level === level).length;
    const [ok, warnings, errors] = [count("ok"), count("warning"), count("error")];
    output.json({ ok: errors === 0, findings });
    for (const finding of findings) output.print(textOf(finding, output));
    output.print(`\n${ok} fine, ${plural(warnings, "warning")}, ${errors} wrong.`);
    return errors > 0 ? EXIT_WRONG : 0;
  });
}

function textOf({ level, fact, remedy }: Finding, { colors }: Output): string {
  const marks = { ok: colors.green("✓"), warning: colors.yellow("!"), error: colors.red("✗") };
  const lines = [fact, ...(remedy === null ? [] : remedy.split("\n"))];
  return lines
    .flatMap((text) => text.split("\n"))
    .map((line, i) => (i === 0 ? `${marks[level]} ${line}` : `  ${line}`))
    .join("\n");
}
