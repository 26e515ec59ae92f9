// A projection runner in a process of its own, started by projector-process.ts.
import { DatabasePool } from "../../src/db/pool/index.ts";
import { createEventStore } from "../../src/eventstore/index.ts";
import { createProjectionRunner, rebuildProjection } from "../../src/projections/index.ts";
import type { ProjectorTask } from "./projector-process.ts";
import { tallyProjection } from "./tally.ts";

process.on("message", (task: ProjectorTask | "stop") => {
  if (task === "stop") return void stop();
  const { url, projections = 1, signalAt, ...options } = task;
  const pool = new DatabasePool({ url, applicationName: "projector", max: 6 });
  let batches = 0;
  const after = async () => {
    batches += 1;
    if (signalAt?.batch !== batches) return;
    await new Promise((sent) => process.send?.({ kind: "at-signal" }, sent));
    process.kill(process.pid, signalAt.signal);
    // Frozen, it goes on here once it is continued; killed, it never does.
  };
  const runner = createProjectionRunner({
    ...options,
    pool,
    store: createEventStore({ pool }),
    projections: Array.from({ length: projections }, (_, n) => {
      const projection = tallyProjection({ name: n === 0 ? "tallies" : `tallies_${n}` });
      return {
        ...projection,
        handle: async (...args: Parameters<typeof projection.handle>) => {
          if (n === 0) await projection.handle(...args);
          await after();
        },
      };
    }),
    onProgress: (item) => process.send?.({ kind: "progress", item }),
  });
  if (task.rebuild) {
    const projection = { ...tallyProjection() };
    const { handle } = projection;
    projection.handle = async (...args) => {
      await handle.apply(projection, args);
      await after();
    };
    const onProgress = (item: unknown) => process.send?.({ kind: "progress", item });
    const store = createEventStore({ pool });
    const { batchSize = 1_000 } = options;
    return void rebuildProjection({ pool, store, projection, onProgress, batchSize })
      .catch((error: unknown) => onProgress({ kind: "error", error: String(error) }))
      .then(() => pool.close())
      .then(() => process.disconnect());
  }
  runner.start();
  stopRunner = async () => {
    const result = await runner.stop();
    await pool.close();
    process.send?.({ kind: "stopped", ...result }, () => process.disconnect());
  };
});

let stopRunner = async (): Promise<void> => undefined;
const stop = () => stopRunner();

process.send?.({ kind: "ready" });
