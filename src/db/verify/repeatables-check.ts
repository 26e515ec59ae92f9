import { plural } from "../base/text.ts";
import { type History, MigrateError, repeatableFileOf } from "../migrate/index.ts";
import type { Replay } from "../scratch/replay.ts";
import { errorFinding, type Finding, type Outcome } from "./findings.ts";
import type { Base, FolderState } from "./folder-state.ts";

interface Looked {
  readonly history: History | undefined;
  readonly folder: FolderState;
  readonly base: Base | undefined;
}

/** Whether there are repeatables, here or at the base. */
export function hasRepeatables({ history, base }: Looked): boolean {
  return (history?.repeatables ?? []).length > 0 || (base?.tip.repeatables ?? []).length > 0;
}

/** They run after all migrations, in the order of what they need, and then there is nothing left to run. */
export async function checkRepeatables(replay: Replay, looked: Looked): Promise<Outcome> {
  const { repeatables = [] } = looked.history ?? {};
  const findings = [...removed(looked)];
  try {
    await replay.repeat();
    const again = await replay.repeat();
    const ran = again.repeatables.filter(({ why }) => why !== "always").map(({ tag }) => tag);
    if (ran.length > 0) findings.push(notSettled(ran));
  } catch (error) {
    if (!(error instanceof MigrateError) || error.code === "canceled") throw error;
    const file = repeatables.find(({ tag }) => tag === error.tag)?.file;
    findings.push({
      ...errorFinding(error),
      fact: error.failure,
      ...(file !== undefined && { file }),
    });
  }
  return { findings, detail: plural(repeatables.length, "repeatable") };
}

/** Of the base: databases keep what they made. */
function removed({ history, folder, base }: Looked): readonly Finding[] {
  const here = new Set((history?.repeatables ?? []).map(({ name }) => repeatableFileOf(name)));
  return (base?.tip.repeatables ?? [])
    .filter((path) => !here.has(path))
    .map((path) => ({
      level: "warning",
      fact: `${folder.dir}/${path} is in ${base?.ref} and not here: databases where it ran keep what it made.`,
      remedy: "A migration that drops that takes it away.",
      file: `${folder.dir}/${path}`,
    }));
}

function notSettled(tags: readonly string[]): Finding {
  return {
    level: "error",
    fact: `A second run runs ${tags.join(", ")} again.`,
    remedy: "A repeatable must leave Tidemark's own schema alone.",
  };
}
