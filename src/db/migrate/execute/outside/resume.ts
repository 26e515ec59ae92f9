import { MigrateError } from "../../errors.ts";
import { statementDigest } from "../../history/checksum.ts";
import type { UnderWay } from "../../ledger-types.ts";
import type { Execution, Part } from "../execution.ts";
import { judgeInterrupted } from "./judge.ts";
import { stateNow } from "./probe.ts";
import { clearAway } from "./run.ts";

/**
 * Finds out what became of a statement outside transactions that was begun, and clears away what
 * it left.
 *
 * @returns `done` where the part is that statement, and it was done; `open` where the part must be run
 * @throws MigrateError `in_doubt` where only a person can tell, `checksum_mismatch` where it was done
 * and the file has another statement in its place by now
 */
export async function settleInterrupted(
  execution: Execution,
  part: Part,
  begun: UnderWay,
): Promise<"done" | "open"> {
  const verdict = judgeInterrupted(begun, await stateNow(execution, part, begun.action));
  const { tag } = part.step.migration;
  const say = (message: string) =>
    execution.onProgress({ kind: "statement-found", tag, message: `${begun.label} ${message}` });
  switch (verdict.kind) {
    case "unknown":
      throw inDoubt(part, begun, verdict.reason);
    case "run":
      for (const { sql, what } of verdict.clear) {
        say(`was interrupted: dropping the ${what}`);
        await clearAway(execution, begun.statement, sql, { settings: [], lockTimeoutMs: 0 });
      }
      return "open";
    case "finish":
      say("was interrupted half-way: finishing it");
      await clearAway(execution, begun.statement, verdict.sql, {
        // The names are the file's.
        settings: part.settings.session,
        // It locks the partition while it waits for sessions that may still see it as one.
        lockTimeoutMs: execution.lockPatience.lockTimeoutMs,
      });
      break;
    case "done":
      say("was interrupted, and is done");
  }
  const isSame =
    part.kind === "outside" && begun.digest === statementDigest(part.placed.statement.text);
  if (isSame) return "done";
  throw editedAfterwards(part, begun);
}

function inDoubt({ step }: Part, begun: UnderWay, reason: string): MigrateError {
  const { tag, file } = step.migration;
  return new MigrateError({
    code: "in_doubt",
    tag,
    fact:
      `${file}: statement ${begun.statement} of ${step.total} (${begun.label}) was started, ` +
      `and its end is not recorded: ${reason}.`,
    outcome: "nothing-run",
    remedy:
      "Check in the database whether it was done, then record the answer: " +
      `\`tidemark resolve ${tag} --done\` goes on after it, \`tidemark resolve ${tag} --retry\` runs it again.`,
  });
}

function editedAfterwards({ step }: Part, begun: UnderWay): MigrateError {
  const { tag, file } = step.migration;
  return new MigrateError({
    code: "checksum_mismatch",
    tag,
    fact: `${file} was edited: its statement ${begun.statement} was ${begun.label}, and that one was done.`,
    outcome: "nothing-run",
    remedy:
      "Restore that statement (what comes after it may change), " +
      `or undo it by hand and record that: \`tidemark resolve ${tag} --retry\`.`,
  });
}
