import { messageOf } from "../../base/problem.ts";
import { MigrateError } from "../errors.ts";
import { workUnderLease } from "../lease/renew.ts";
import type { HeldRun, Run } from "../run-types.ts";
import type { Tag } from "../types.ts";

/** Whether the caller has work of its own to do under the lease. */
export function hasHooks({ beforeMigrate, afterMigrate }: Run): boolean {
  return beforeMigrate !== undefined || afterMigrate !== undefined;
}

/**
 * Calls a hook under the lease.
 *
 * @throws MigrateError `migration_failed` with what it threw; LeaseLost, SessionLost
 */
export async function runHook(
  run: HeldRun,
  name: "beforeMigrate" | "afterMigrate",
  tags: readonly Tag[],
): Promise<void> {
  const hook = run[name];
  if (hook === undefined) return;
  await workUnderLease(run, async (signal) => {
    try {
      await hook({ url: run.url, signal, tags });
    } catch (cause) {
      signal.throwIfAborted();
      throw new MigrateError({
        code: "migration_failed",
        fact: `${name} failed: ${messageOf(cause)}`,
        ...(name === "beforeMigrate" && { outcome: "nothing-run" }),
        remedy:
          "It is called again by the next `migrate()`. Its own error is the `cause` of this one.",
        cause,
      });
    }
  });
}
