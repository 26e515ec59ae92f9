import { duration, listed, plural } from "../../db/base/text.ts";
import {
  describeBlocker,
  describeHolder,
  describeWork,
  type Progress,
  type RepeatableReason,
} from "../../db/migrate/index.ts";
import { backfillText } from "./backfill-text.ts";
import { withLiveLine } from "./live-line.ts";
import type { Output } from "./output.ts";

/** Why a repeatable runs, in words. */
export const WHY: Readonly<Record<RepeatableReason, string>> = {
  new: "new",
  changed: "changed",
  always: "runs always",
  "rolled-back": "again after a rollback",
  dropped: "what it made is gone",
  remade: "made again",
};

/** What --no-mirror has done. */
export const NO_MIRROR =
  "drizzle's table is not written from here on: its migrator would run again what Tidemark applies.";

/** Runs `work` and shows its progress: a line for each finished step, and the current one live. */
export function withProgress<T>(
  output: Output,
  work: (onProgress: (progress: Progress) => void) => Promise<T>,
): Promise<T> {
  const { green } = output.errorColors;
  let blockedBy: string | undefined;
  const isNew = newTexts();
  return withLiveLine(output, (line) =>
    work((progress) => {
      const { done, next } = describe(progress);
      if (progress.kind === "notice" && !isNew(`${done}`)) return;
      if (progress.kind === "working") {
        line.detail(describeWork(progress.work));
        return;
      }
      const who = waitsFor(progress);
      if (who !== undefined && next !== undefined) {
        if (output.live || who !== blockedBy) line.remark(next);
        blockedBy = who;
        return;
      }
      blockedBy = undefined;
      if (done !== undefined) {
        line.show(undefined);
        const isEnd = progress.kind === "migration-done" || progress.kind === "repeatable-done";
        output.note(isEnd ? `${green("✓")} ${done}` : done);
      }
      if (next !== undefined) line.show({ name: next, text: next });
    }),
  );
}

/** Whom it waits for; undefined of what is no wait. The same wait is told again and again. */
function waitsFor(progress: Progress): string | undefined {
  if (progress.kind === "commit-waits") return `standby ${progress.standbys}`;
  return progress.kind === "blocked" ? progress.blockers.map(({ pid }) => pid).join() : undefined;
}

const REMEMBERED_TEXTS = 1_000;

/**
 * Whether a text is new. The server repeats itself: at each
 * parse of a body with a name that is too long, at each try of a migration that gets no lock.
 */
function newTexts(): (text: string) => boolean {
  const said = new Set<string>();
  return (text) => {
    if (said.has(text)) return false;
    if (said.size >= REMEMBERED_TEXTS) said.clear();
    said.add(text);
    return true;
  };
}

/** A step as text: what is finished, and what runs now. */
export function describe(progress: Progress): { readonly done?: string; readonly next?: string } {
  switch (progress.kind) {
    case "server-unavailable":
      return { next: `waiting for the server: ${progress.reason}` };
    case "ledger-created":
      return { done: `created the ledger in schema ${progress.schema}` };
    case "backfill":
      return { next: backfillText(progress) };
    case "backfill-registered":
      return {
        done: `${progress.tag} fills ${progress.table} in the background: a worker runs it`,
      };
    case "waiting":
      return { next: `waiting for another runner: ${describeHolder(progress.holder)}` };
    case "behind": {
      const { pending, holder, heldBack } = progress;
      if (heldBack !== undefined) {
        const { tag, requires, backfill } = heldBack;
        return {
          next: `waiting for the backfill ${requires} (${backfill}), which ${tag} requires`,
        };
      }
      const who = holder === undefined ? "no runner is working" : describeHolder(holder);
      return { next: `waiting for ${pending} pending migrations: ${who}` };
    }
    case "took-over":
      return {
        done: `took over from a runner that is no longer running: ${describeHolder(progress.holder)}`,
      };
    case "taken-over": {
      const { table, adopted, renamed, passedOver } = progress;
      const named = renamed.map(({ from, to }) => `${from} is ${to} now`);
      return {
        done: [
          ...(table === null || adopted.length === 0
            ? []
            : [`took over ${plural(adopted.length, "migration")} that ${table} has as applied`]),
          ...(table === null && adopted.length > 0
            ? [`recorded ${plural(adopted.length, "migration")} as applied`]
            : []),
          ...(passedOver.length === 0
            ? []
            : [`drizzle's migrator passed over ${listed(passedOver)}`]),
          ...(named.length === 0
            ? []
            : [
                `recognised ${plural(named.length, "migration")} under new names: ${listed(named)}`,
              ]),
        ].join("; "),
      };
    }
    case "planned":
      return {
        done:
          progress.direction === "down"
            ? `${plural(progress.tags.length, "migration")} to take back`
            : `${progress.tags.length} pending`,
      };
    case "migration-started": {
      const { tag, index, total, statements, resumedAt, direction } = progress;
      const back = direction === undefined ? "" : "taking back ";
      const from = resumedAt > 0 ? `, from statement ${resumedAt + 1}` : "";
      return {
        next: `${back}${tag} (${index + 1} of ${total}, ${plural(statements, "statement")}${from})`,
      };
    }
    case "statement-started": {
      const { tag, statement, statements, label } = progress;
      return { next: `${tag}, statement ${statement} of ${statements}: ${label}` };
    }
    case "statement-done":
      return { done: `${progress.label}  ${duration(progress.durationMs)}` };
    case "step-log":
      return { done: `${progress.tag}: ${progress.line}` };
    case "statement-found":
      return { done: `${progress.tag}: ${progress.message}` };
    case "blocked":
      return {
        next: `${progress.tag} waits for a lock held by ${progress.blockers.map(describeBlocker).join("; ")}`,
      };
    case "commit-waits":
      return {
        next: `${progress.tag} is done, and its commit waits for a standby (synchronous_standby_names = ${progress.standbys})`,
      };
    case "lock-retry": {
      const { tag, reason, tries, of, pauseMs, blockers } = progress;
      const held = blockers.map((blocker) => `; held by ${describeBlocker(blocker)}`).join("");
      return {
        done: `${tag}: ${reason} (try ${tries} of ${of}), rolled back, again in ${duration(pauseMs)}${held}`,
      };
    }
    case "migration-done":
      return {
        done: `${progress.tag}${progress.direction === "down" ? " taken back" : ""}  ${duration(progress.durationMs)}`,
      };
    case "repeatable-started":
      return { next: `${progress.tag} (${progress.index + 1} of ${progress.total})` };
    case "repeatable-remade":
      return {
        done: `${progress.tag} drops and makes again: ${listed(progress.objects)}`,
      };
    case "repeatable-done":
      return {
        done: `${progress.tag} (${WHY[progress.why]})  ${duration(progress.durationMs)}`,
      };
    case "notice":
      return { done: `${progress.severity.toLowerCase()}: ${progress.message}` };
    case "reconnecting":
      return { done: `${progress.reason}; reconnecting (attempt ${progress.attempt})` };
    case "lease-lost":
      return { done: "another runner took the lease; waiting for it" };
    case "warning":
      return { done: `warning: ${progress.warning.message}` };
    default:
      return {};
  }
}
