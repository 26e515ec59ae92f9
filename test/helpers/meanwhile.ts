import { onTestFinished } from "vitest";

/** Does something again and again until it is stopped; fails then if it failed. */
export function meanwhile(work: () => Promise<void>) {
  let isOver = false;
  const loop = (async () => {
    while (!isOver) await work();
  })();
  const settled = loop.catch(() => undefined);
  onTestFinished(() => {
    isOver = true;
    return settled;
  });
  const stop = () => {
    isOver = true;
    return loop;
  };
  return { stop };
}
