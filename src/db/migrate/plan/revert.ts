import { MigrateError } from "../errors.ts";
import { headOf, linkAfter } from "../history/checksum.ts";
import type { Ledger, LedgerRow } from "../ledger-types.ts";
import type { RollbackTarget } from "../rollback-types.ts";
import type { Checksum, History, Tag } from "../types.ts";
import { chooseDown, type Downs } from "./down-choice.ts";
import type { Step } from "./plan.ts";

/** One migration to take back. */
export interface RevertStep extends Step {
  readonly source: "folder" | "ledger";
  /** The same with another text, for one that is half-way down by another text than this. */
  readonly otherwise: RevertStep | undefined;
}

/** What a rollback would do. */
export interface RevertPlan {
  /** Newest first. */
  readonly steps: readonly RevertStep[];
  readonly versionAfter: Tag | undefined;
  /** Head of what is applied now. */
  readonly head: Checksum;
  /** What forbids it, worst first. */
  readonly problems: readonly MigrateError[];
}

/**
 * Pure: which migrations go, in which order, by which text. The newest in the history's order goes first,
 * so that each down file meets the database that it was proven on.
 *
 * @throws MigrateError `usage` where the target is none
 */
export function planRevert(
  history: History,
  { rows }: Pick<Ledger, "rows">,
  downs: Downs,
  target: RollbackTarget,
): RevertPlan {
  const standing = standingRows(rows);
  const keep = keptBy(standing, target);
  const going = standing.slice(keep).toReversed();
  const choices = going.map((row) => ({ row, choice: chooseDown(history, row, downs) }));
  const problems = problemsOf(choices, history);
  return {
    steps: choices.flatMap(({ row, choice }, i) => {
      const before = standing.slice(0, standing.length - 1 - i);
      return choice.kind === "found" ? [stepOf(history, row, before, choice.texts)] : [];
    }),
    versionAfter: standing[keep - 1]?.tag,
    head: headOf(standing),
    problems,
  };
}

/** What is applied, or half-way down, in the history's order. */
export function standingRows(rows: readonly LedgerRow[]): readonly LedgerRow[] {
  return rows
    .filter(({ state, reverting }) => state === "DONE" || reverting !== null)
    .toSorted((a, b) => (a.rank ?? 0) - (b.rank ?? 0));
}

/**
 * The target that takes back what is left of a plan, under the lease.
 *
 * @param expected what was planned
 * @throws MigrateError `out_of_order` where something else would have to go with it
 */
export function targetOf(rows: readonly LedgerRow[], expected: readonly Tag[]): RollbackTarget {
  const standing = standingRows(rows);
  const lowest = standing.findIndex(({ tag }) => expected.includes(tag));
  if (lowest === -1) return { steps: 0 };
  const going = standing.slice(lowest);
  const more = going.filter(({ tag }) => !expected.includes(tag)).map(({ tag }) => tag);
  if (more.length === 0) return { steps: going.length };
  throw new MigrateError({
    code: "out_of_order",
    fact: `Applied since this rollback was planned, and newer than what it takes back: ${more.join(", ")}.`,
    outcome: "nothing-run",
    remedy: "Run it again: it shows the plan anew.",
  });
}

/** How many of what stands stay. */
function keptBy(standing: readonly LedgerRow[], { steps, to }: RollbackTarget): number {
  const { length } = standing;
  if (to === undefined) {
    if (steps === undefined) return Math.max(length - 1, 0);
    if (steps === "all") return 0;
    if (steps <= length) return length - steps;
    throw usage(
      `${steps} migrations were to be taken back, and ${length === 1 ? "1 is" : `${length} are`} applied.`,
      "`--steps all` takes all of them back; `tidemark status` lists them.",
    );
  }
  if (steps !== undefined) {
    throw usage("Both a number of steps and a target are given.", "Give one of the two.");
  }
  const at = standing.findIndex(({ tag }) => tag === to);
  const halfWay = standing.find(({ reverting }) => reverting !== null);
  if (at !== -1 && to !== halfWay?.tag) return at + 1;
  throw at === -1
    ? usage(
        `${to || '""'} is not applied here.`,
        `Name the newest migration that is to stay${length === 0 ? "" : `, ${standing.at(-1)?.tag} or an older one`}; \`--steps all\` takes all of them back.`,
      )
    : usage(
        `${to} is half-way down: it cannot stay applied.`,
        "`tidemark rollback` goes on with it; `tidemark status` shows how far it is.",
      );
}

function stepOf(
  history: History,
  row: LedgerRow,
  before: readonly LedgerRow[],
  texts: Extract<ReturnType<typeof chooseDown>, { kind: "found" }>["texts"],
): RevertStep {
  const { tag, checksum, attempt, reverting, rank } = row;
  const up = history.migrations.find((one) => one.tag === tag);
  const headAfter = headOf(before);
  const [first, other] = texts.map(({ file, sql, checksum: ofText, source }) => ({
    migration: { tag, file, sql, checksum, link: checksum, index: up?.index ?? -1 },
    attempt: attempt + 1,
    resumeAt: reverting === null ? 0 : row.statementsDone,
    prefix: reverting === null ? null : row.prefix,
    underWay: row.underWay,
    rank: rank ?? 0,
    headAfter,
    stored: { sql, checksum: ofText },
    down: { headMeanwhile: linkAfter(headAfter, tag, REVERTING), up },
    source,
  }));
  if (first === undefined) throw new TypeError(`${tag} has no text`);
  return { ...first, otherwise: other && { ...other, otherwise: undefined } };
}

/** In place of a checksum: a head that is no history's. */
const REVERTING: Checksum = "sha256:reverting";

function problemsOf(
  choices: readonly {
    readonly row: LedgerRow;
    readonly choice: ReturnType<typeof chooseDown>;
  }[],
  { dir }: History,
): readonly MigrateError[] {
  const missing = choices.flatMap(({ row, choice }) => (choice.kind === "none" ? [row.tag] : []));
  const unverified = choices.flatMap(({ choice }) =>
    choice.kind === "unverified" ? [choice.file] : [],
  );
  const irreversible = choices.flatMap(({ row, choice }) =>
    choice.kind === "irreversible" ? [{ tag: row.tag, ...choice }] : [],
  );
  return [
    ...irreversible.map(
      ({ tag, file, reason }) =>
        new MigrateError({
          code: "irreversible",
          tag,
          fact: `${tag} has no way back. ${file} says: ${reason || "(no reason)"}`,
          outcome: "nothing-run",
          remedy:
            `Write its way back into ${file} and delete the line \`-- irreversible\`, or stop before it (--to ${tag}). ` +
            "A new migration that mends what it did is often better.",
        }),
    ),
    ...(missing.length === 0 ? [] : [noDown(missing, dir)]),
    ...(unverified.length === 0 ? [] : [notInSum(unverified)]),
  ];
}

function noDown(tags: readonly Tag[], dir: string): MigrateError {
  return new MigrateError({
    code: "missing_file",
    fact: `Nothing says how to take back ${tags.join(", ")}: ${dir} has no down file that fits, and the ledger has kept none.`,
    outcome: "nothing-run",
    remedy:
      `Where their files are: ${tags.map((tag) => `\`tidemark down-file ${tag}\``).join(", ")} writes one and proves it. ` +
      "Otherwise run the release that has them.",
  });
}

function notInSum(files: readonly string[]): MigrateError {
  return new MigrateError({
    code: "history_invalid",
    fact: `${files.join(", ")} ${files.length === 1 ? "is" : "are"} not as tidemark.sum has it.`,
    outcome: "nothing-run",
    remedy:
      "If the change is intended, prove it with `tidemark verify` and write the sum again with `tidemark sum`.",
  });
}

function usage(fact: string, remedy: string): MigrateError {
  return new MigrateError({ code: "usage", fact, outcome: "nothing-run", remedy });
}
