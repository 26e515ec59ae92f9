/** Swaps files into a folder, and kills itself before the given move. */
import { rename } from "node:fs/promises";
import { swapIn } from "../../src/db/rebase/swap.ts";

const [dir = "", most = "", swap = ""] = process.argv.slice(2);
const { written, deleted } = JSON.parse(swap) as {
  written: [string, string][];
  deleted: string[];
};
let moves = 0;
await swapIn(dir, { written: new Map(written), deleted }, async (from, to) => {
  if (moves === Number(most)) process.kill(process.pid, "SIGKILL");
  moves += 1;
  await rename(from, to);
});
