import { jittered, pause } from "../db/base/backoff.ts";
import { duration } from "../db/base/text.ts";
import type { DatabasePool } from "../db/pool/index.ts";
import type { Projection, Reactor } from "./definition.ts";
import { ProjectionError } from "./projection-error.ts";

export interface WaitForOptions {
  readonly pool: DatabasePool;
  /** An inline projection is never waited for: it is where the append is. */
  readonly projection: Projection | Reactor | string;
  readonly instanceId: string;
  /** As `push` gives it, or a barrier. */
  readonly position: number;
  /** Default 5,000. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

const FIRST_PAUSE_MS = 2;
const LONGEST_PAUSE_MS = 100;

interface Reached {
  readonly reached: number;
  readonly isBehind: boolean;
}

/** The instance may have no event at the position itself, if that is a barrier. */
const REACHED = `
  select coalesce(s.position, 0) as reached, exists (
    select from eventstore.events e
    where e.instance_id = $1 and e.global_sequence > coalesce(s.position, 0)
      and e.global_sequence <= $3) as "isBehind"
  from (select 1) as one
  left join projections.current_states s on s.instance_id = $1 and s.projection_name = $2`;

/**
 * Waits until a projection has handled everything up to a position, so that what was just written
 * can be read. What is quarantined is passed without being handled.
 *
 * @throws ProjectionError `wait_timeout`; the signal's reason
 */
export async function waitFor(options: WaitForOptions): Promise<void> {
  const { pool, projection, instanceId, position, timeoutMs = 5_000, signal } = options;
  if (typeof projection !== "string" && "mode" in projection && projection.mode === "inline")
    return;
  const name = typeof projection === "string" ? projection : projection.name;
  const end = performance.now() + timeoutMs;
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 1.5, LONGEST_PAUSE_MS)) {
    const { reached = 0, isBehind = true } =
      (await pool.queryOne<Reached>(REACHED, [instanceId, name, position])) ?? {};
    if (!isBehind) return;
    const leftMs = end - performance.now();
    if (leftMs <= 0) {
      throw new ProjectionError({
        code: "wait_timeout",
        fact: `After ${duration(timeoutMs)} the projection ${name} is at position ${reached} in the instance ${instanceId}, not yet at ${position}.`,
        remedy: "See its status: it may be halted, or no runner may follow it.",
      });
    }
    await pause(Math.min(jittered(pauseMs), leftMs), signal);
  }
}
