import { join } from "node:path";
import { type History, loadHistory, MigrateError } from "../migrate/index.ts";
import { type BaseProject, checkOutBase, type Project } from "./base-project.ts";
import type { Base, FolderState } from "./folder.ts";
import { type Pending, readPending, schemaStatements } from "./schema-check.ts";
import type { Outcome } from "./types.ts";

/** The project as the base has it: made when it is asked for, since it takes a checkout. */
export interface BaseLook {
  readonly ref: string;
  readonly folder: FolderState;
  readonly pending: () => Promise<Pending>;
  /** What makes the Drizzle schema there. */
  readonly statements: () => Promise<readonly string[]>;
  readonly history: () => Promise<History>;
  /** Takes the checkout away. */
  readonly close: () => Promise<void>;
}

export function createBaseLook(
  project: Project,
  base: Base,
  signal: AbortSignal | undefined,
): BaseLook {
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
      pending ??= there().then((found) => readPending(found, signal));
      return pending;
    },
    statements: async () => schemaStatements(await there(), signal),
    history: async () => {
      const { cwd, dir } = await there();
      return loadHistory(join(cwd, dir), { sumFile: "ignore" });
    },
    close: async () => {
      // Whoever asked for it was told that it failed.
      const { remove } = (await made?.catch(() => undefined)) ?? {};
      await remove?.();
    },
  };
}

/**
 * What comes of a check: where it has failed, once more with what the base has already. Where nobody can
 * tell what that is, it has failed.
 */
export async function againstBase(
  outcome: Outcome,
  look: BaseLook | undefined,
  again: (look: BaseLook) => Promise<Outcome>,
  signal: AbortSignal | undefined,
): Promise<Outcome> {
  const isFailed = outcome.findings.some(({ level }) => level === "error");
  if (look === undefined || !isFailed) return outcome;
  try {
    return await again(look);
  } catch (error) {
    if (signal?.aborted) throw error;
    return { ...outcome, detail: `could not check ${look.ref} for the same: ${reasonOf(error)}` };
  }
}

function reasonOf(error: unknown): string {
  if (error instanceof MigrateError) return error.fact.split("\n")[0] ?? "";
  return error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error);
}

/** Errors that the base has too are warnings: nobody has added them. */
export function withoutOld(now: Outcome, atBase: Outcome, ref: string): Outcome {
  const old = new Set(
    atBase.findings.filter(({ level }) => level === "error").map(({ fact }) => fact),
  );
  const findings = now.findings.map((finding) =>
    finding.level === "error" && old.has(finding.fact)
      ? {
          ...finding,
          level: "warning" as const,
          remedy: `${ref} has it already: this branch did not add it.`,
        }
      : finding,
  );
  return { ...now, findings };
}
