import type { DatabasePool } from "../db/pool/index.ts";
import { createEventStore } from "../eventstore/index.ts";
import {
  createProjectionRunner,
  ProjectionError,
  type ProjectionStatus,
  projectionStatus,
  type RunnerProgress,
  waitFor,
} from "../projections/index.ts";
import { createCommands, createReads, projections } from "./aggregates.ts";
import type { Services } from "./api/index.ts";
import type { Log } from "./log.ts";

/** What the application does besides answering: it appends events, and follows them. */
export interface Work {
  readonly services: Services;
  /** How far each projection is. */
  readonly status: () => Promise<readonly ProjectionStatus[]>;
  /** Finishes the transactions of the projections that run, within the time. */
  readonly stop: (timeoutMs: number) => Promise<void>;
}

/** Starts the projections' runner. The migrations must be applied. */
export function startWork({
  pool,
  log,
  checkReads,
}: {
  readonly pool: DatabasePool;
  readonly log: Log;
  readonly checkReads: boolean;
}): Work {
  const store = createEventStore({ pool, checkReads, onAppended: () => runner.wake() });
  const runner = createProjectionRunner({
    pool,
    store,
    projections,
    onProgress: createProgressLog(log),
  });
  runner.start();
  return {
    services: {
      commands: createCommands({ store }),
      reads: createReads({ pool, store }),
      waitFor: async (instanceId, position, timeoutMs) => {
        const waits = projections.map((projection) =>
          waitFor({ pool, projection, instanceId, position, timeoutMs }),
        );
        const results = await Promise.allSettled(waits);
        const failed = results.find((result) => result.status === "rejected");
        if (failed === undefined) return true;
        if (failed.reason instanceof ProjectionError) return false;
        throw failed.reason;
      },
    },
    status: () => projectionStatus({ pool, projections }),
    stop: async (timeoutMs) => {
      const { drained } = await runner.stop({ timeoutMs });
      if (!drained) log.warn("projections did not finish in time: the server rolls them back");
    },
  };
}

const SAY_RETRYING_EVERY_MS = 60_000;

/** What is put aside is an error; a database that is away is said once a minute. */
function createProgressLog(log: Log): (progress: RunnerProgress) => void {
  let saidAt = Number.NEGATIVE_INFINITY;
  return (progress) => {
    const { kind, ...details } = progress;
    switch (kind) {
      case "advanced":
        log.debug(details, "projected");
        return;
      case "quarantined":
      case "halted":
        log.error(details, kind);
        return;
      case "retrying":
        if (performance.now() < saidAt + SAY_RETRYING_EVERY_MS) return;
        saidAt = performance.now();
        log.warn(details, "projections: trying again");
        return;
      default:
        log.warn(details, kind);
    }
  };
}
