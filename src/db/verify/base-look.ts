import { join } from "node:path";
import { messageOf } from "../base/problem.ts";
import { exportSchema } from "../kit/index.ts";
import { loadHistory, MigrateError } from "../migrate/index.ts";
import { type BaseProject, checkOutBase, type Project } from "./base-project.ts";
import { isError, type Outcome } from "./findings.ts";
import type { Base } from "./folder-state.ts";
import { type Pending, readPending } from "./schema-check.ts";

export type BaseLook = ReturnType<typeof createBaseLook>;

/** The project as the base has it: checked out on first use. */
export function createBaseLook(project: Project, base: Base) {
  let made: Promise<BaseProject> | undefined;
  let pending: Promise<Pending> | undefined;
  const there = () => {
    made ??= checkOutBase(project, base);
    return made;
  };
  return {
    ref: base.ref,
    folder: base.fork,
    pending: (): Promise<Pending> => {
      pending ??= there().then((found) => readPending(found));
      return pending;
    },
    /** The statements that make the Drizzle schema there. */
    statements: async () => exportSchema(await there()),
    history: async () => {
      const { cwd, dir } = await there();
      return loadHistory(join(cwd, dir), { sumFile: "ignore" });
    },
    /** Removes the checkout. */
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
