import { join } from "node:path";
import { messageOf } from "../base/problem.ts";
import { exportSchema } from "../kit/index.ts";
import { type History, loadHistory, MigrateError } from "../migrate/index.ts";
import { type BaseProject, checkOutBase, type Project } from "./base-project.ts";
import { isError, type Outcome } from "./findings.ts";
import type { Base, FolderState } from "./folder-state.ts";
import { type Pending, readPending } from "./schema-check.ts";

/** The project as the base has it: checked out on first use. */
export interface BaseLook {
  readonly ref: string;
  readonly folder: FolderState;
  readonly pending: () => Promise<Pending>;
  /** The statements that make the Drizzle schema there. */
  readonly statements: () => Promise<readonly string[]>;
  readonly history: () => Promise<History>;
  /** Removes the checkout. */
  readonly close: () => Promise<void>;
}

export function createBaseLook(project: Project, base: Base): BaseLook {
  let made: Promise<BaseProject> | undefined;
  let pending: Promise<Pending> | undefined;
  const there = () => {
    made ??= checkOutBase(project, base);
    return made;
  };
  return {
    ref: base.ref,
    folder: base.fork,
    pending: () => {
      pending ??= there().then((found) => readPending(found));
      return pending;
    },
    statements: async () => exportSchema(await there()),
    history: async () => {
      const { cwd, dir } = await there();
      return loadHistory(join(cwd, dir), { sumFile: "ignore" });
    },
    close: async () => {
      // Its failure was reported where it was asked for.
      const { remove } = (await made?.catch(() => undefined)) ?? {};
      await remove?.();
    },
  };
}

/**
 * The result of a check. A failed one is repeated with what the base has already; where that cannot be
 * found out, it stays failed.
 */
export async function againstBase(
  outcome: Outcome,
  look: BaseLook | undefined,
  again: (look: BaseLook) => Promise<Outcome>,
  signal: AbortSignal | undefined,
): Promise<Outcome> {
  if (look === undefined || !outcome.findings.some(isError)) return outcome;
  try {
    return await again(look);
  } catch (error) {
    if (signal?.aborted) throw error;
    const [reason] = (error instanceof MigrateError ? error.fact : messageOf(error)).split("\n");
    return { ...outcome, detail: `could not check ${look.ref} for the same: ${reason}` };
  }
}

/** Errors that the base has too become warnings: this branch did not add them. */
export function withoutOld(now: Outcome, atBase: Outcome, ref: string): Outcome {
  const old = new Set(atBase.findings.filter(isError).map(({ fact }) => fact));
  const findings = now.findings.map((finding) =>
    isError(finding) && old.has(finding.fact)
      ? {
          ...finding,
          level: "warning" as const,
          remedy: `${ref} has it already: this branch did not add it.`,
        }
      : finding,
  );
  return { ...now, findings };
}
