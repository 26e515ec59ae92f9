import type { Parameters } from "fast-check";
import { SEED } from "./seed.ts";

/** How long the fuzz goes on: `FUZZ_SECONDS` for each property, else `FUZZ_RUNS` tries. */
const seconds = Number(process.env.FUZZ_SECONDS ?? 0);
const runs = Number(process.env.FUZZ_RUNS ?? 400);

/** Time for a test of the fuzz. */
export const FUZZ_TIMEOUT_MS = 60_000 + seconds * 5_000 + runs * 10;

/** For `fc.assert`: what fails prints its seed, its path and its smallest example. */
export function fuzzed<T>(share = 1): Parameters<T> {
  return {
    seed: SEED,
    numRuns: seconds > 0 ? 1_000_000_000 : Math.ceil(runs * share),
    ...(seconds > 0 && { interruptAfterTimeLimit: seconds * 1_000 * share }),
  };
}

/** To be printed with what fails. */
export const REPEAT = `FUZZ_SEED=${SEED} npm run test:fuzz`;
