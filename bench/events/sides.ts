import { median } from "../setting.ts";

/** One way of doing the same; returns how many events that were. */
export type Side = () => Promise<number>;

/** Events a second of one side, by so many clients at once. */
async function rateOf(side: Side, clients: number, seconds: number): Promise<number> {
  const start = performance.now();
  const end = start + seconds * 1_000;
  let events = 0;
  await Promise.all(
    Array.from({ length: clients }, async () => {
      while (performance.now() < end) {
        // Not `events += await …`, which adds to what it was before the wait.
        const done = await side();
        events += done;
      }
    }),
  );
  return (events / (performance.now() - start)) * 1_000;
}

export interface Comparison {
  readonly name: string;
  readonly clients: number;
  readonly rounds: number;
  readonly seconds: number;
  /** The first is compared with each of the others. */
  readonly sides: Readonly<Record<string, Side>>;
}

/** Lets the sides take turns, each first as often as the others, and prints what came out. */
export async function compare({ name, clients, rounds, seconds, sides }: Comparison) {
  const names = Object.keys(sides);
  const rates = new Map(names.map((side) => [side, [] as number[]]));
  for (let round = -1; round < rounds; round += 1) {
    const from = Math.max(round, 0) % names.length;
    const order = [...names.slice(from), ...names.slice(0, from)];
    // What one leaves to be done, vacuum and dirty pages, would else always be done beside the same other.
    if (round % 2 === 1) order.reverse();
    for (const side of order) {
      const run = sides[side];
      if (run === undefined) continue;
      // The first round warms up: connections, plans, the server's caches.
      const rate = await rateOf(run, clients, round < 0 ? Math.min(seconds, 0.5) : seconds);
      if (round >= 0) rates.get(side)?.push(rate);
    }
  }
  print(name, rates);
}

/** Prints medians, and the first side's ratio to each other one, round by round. */
export function print(name: string, rates: ReadonlyMap<string, readonly number[]>): void {
  const [first, ...others] = [...rates];
  if (first === undefined) return;
  const shown = [...rates].map(
    ([side, of]) => `${side} ${Math.round(median(of)).toLocaleString("en").padStart(9)}`,
  );
  const ratios = others.map(([side, of]) => {
    const each = first[1].map((rate, i) => rate / (of[i] ?? Number.NaN));
    return `${side} ${median(each).toFixed(2)}`;
  });
  console.log(`${name.padEnd(44)} ${shown.join("  ")}   ratio to ${ratios.join(", to ")}`);
}
