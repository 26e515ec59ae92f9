import { duration } from "../../db/migrate/index.ts";
import type { Output } from "./output.ts";

export interface StepsView {
  /** What goes on now; a phase may have several texts. */
  readonly onStep: (phase: string, text: string) => void;
  /** Takes the last line away. */
  readonly stop: () => void;
}

const LONG_MS = 1_000;
const STILL_EVERY_MS = 30_000;

/** Shows what takes longer than a second: as a spinner on a terminal, elsewhere as a line. */
export async function showSteps(output: Output): Promise<StepsView> {
  const spinner = output.live
    ? (await import("yocto-spinner")).default({ stream: process.stderr, handleSignals: false })
    : undefined;
  let now: { readonly phase: string; text: string; readonly since: number } | undefined;
  let saidAt = Number.NEGATIVE_INFINITY;
  const timer = setInterval(() => {
    if (now === undefined) return;
    const at = performance.now();
    const took = at - now.since;
    if (took < LONG_MS) return;
    const text = `${now.text} ${duration(took)}`;
    if (spinner) {
      spinner.text = text;
    } else if (at - saidAt > STILL_EVERY_MS) {
      saidAt = at;
      output.note(text);
    }
  }, 250);
  timer.unref();
  return {
    onStep: (phase, text) => {
      if (now?.phase === phase) {
        now.text = text;
      } else {
        now = { phase, text, since: performance.now() };
        saidAt = Number.NEGATIVE_INFINITY;
      }
      if (spinner) {
        spinner.text = text;
        spinner.start();
      }
    },
    stop: () => {
      clearInterval(timer);
      spinner?.stop();
    },
  };
}
