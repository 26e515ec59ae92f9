/** What random numbers begin with: `HOSTILE_SEED` or `FUZZ_SEED`, to repeat a run. */
export const SEED = Number(
  process.env.FUZZ_SEED ?? process.env.HOSTILE_SEED ?? Math.floor(Math.random() * 2 ** 31),
);

/** Numbers from 0 up to 1, the same for the same seed (mulberry32's mixing). */
export function numbersOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
