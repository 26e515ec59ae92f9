import { Problem } from "../db/base/problem.ts";
import { duration, oneLine, plural } from "../db/base/text.ts";
import type { DatabasePool } from "../db/pool/index.ts";
import { createEventStore } from "../eventstore/index.ts";
import {
  abandonRebuild,
  lagText,
  listQuarantined,
  type Projection,
  type ProjectionStatus,
  projectionStatus,
  type RebuildProgress,
  type Retried,
  rebuildProjection,
  retryQuarantined,
} from "../projections/index.ts";
import { projections } from "./aggregates.ts";

const FAILED = 1;

interface Output {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
}

/** How far each projection is. */
export async function status(
  pool: DatabasePool,
  { json = false }: { readonly json?: boolean },
  out: (text: string) => void,
): Promise<number> {
  const found = await projectionStatus({ pool, projections });
  const quarantined = await listQuarantined({ pool });
  if (json) {
    out(`${JSON.stringify({ projections: found, quarantined })}\n`);
    return 0;
  }
  const header = ["projection", "state", "position", "events behind", "seconds", "quarantined"];
  out(tableText([header, ...found.map(statusCells)]));
  for (const { projection, instanceId, aggregateType, aggregateId, ...rest } of quarantined) {
    const where = `${projection}: ${aggregateType} ${aggregateId} of ${instanceId}`;
    out(`${where}, since event ${rest.failedSequence}: ${oneLine(rest.error, 120)}\n`);
  }
  return 0;
}

function statusCells({ name, state, quarantined, worst }: ProjectionStatus): readonly string[] {
  if (worst === undefined) return [name, state, "", "", "", String(quarantined)];
  const { position, lagSeconds } = worst;
  return [
    name,
    state,
    String(position),
    lagText(worst),
    lagSeconds.toFixed(1),
    String(quarantined),
  ];
}

export interface RetryFilter {
  readonly instance?: string;
  readonly id?: string;
}

/** Exit code 1 if some stays held back. */
export async function retry(
  pool: DatabasePool,
  name: string,
  { instance, id }: RetryFilter,
  out: (text: string) => void,
): Promise<number> {
  const results = await retryQuarantined({
    pool,
    projection: projectionNamed(name),
    aggregate: {
      ...(instance !== undefined && { instanceId: instance }),
      ...(id !== undefined && { id }),
    },
    onRetried: (result) => out(`${retriedText(result)}\n`),
  });
  if (results.length === 0) out("Nothing is held back.\n");
  return results.some(({ outcome }) => outcome === "failed") ? FAILED : 0;
}

/** Builds a projection's tables anew, or gives up an interrupted rebuild. */
export async function rebuild(
  pool: DatabasePool,
  name: string,
  { abandon = false }: { readonly abandon?: boolean },
  { out, err, signal }: Output & { readonly signal: AbortSignal },
): Promise<number> {
  const projection = projectionNamed(name);
  if (abandon) {
    const found = await abandonRebuild({ pool, projection });
    out(found ? `The rebuild of ${name} was given up.\n` : "There is no rebuild to give up.\n");
    return 0;
  }
  const { events, quarantined, tookMs } = await rebuildProjection({
    pool,
    store: createEventStore({ pool }),
    projection,
    signal,
    onProgress: (progress) => err(`${progressText(progress)}\n`),
  });
  out(`Rebuilt ${name} from ${plural(events, "event")} in ${duration(tookMs)}.\n`);
  if (quarantined === 0) return 0;
  out(`It holds back ${plural(quarantined, "aggregate")}: see \`projections status\`.\n`);
  return FAILED;
}

function progressText(progress: RebuildProgress): string {
  switch (progress.kind) {
    case "prepared":
      return `${progress.isResumed ? "Going on" : "Building"} in the schema ${progress.schema}.`;
    case "building": {
      const { instanceId, events, perSecond, remaining } = progress;
      return `${instanceId}: ${events} events, ${Math.round(perSecond)} a second, about ${remaining} left`;
    }
    case "quarantined": {
      const { aggregateType, aggregateId, instanceId, error } = progress;
      return `Held back: ${aggregateType} ${aggregateId} of ${instanceId}: ${oneLine(error, 200)}`;
    }
    case "retrying":
      return `Trying again in ${duration(progress.retryInMs)}: ${oneLine(progress.error, 200)}`;
    case "swap-waits":
      return `The tables are in use; try ${progress.attempt}: ${oneLine(progress.error, 200)}`;
    case "swapped":
      return `Swapped in ${duration(progress.tookMs)}.`;
  }
}

function retriedText(result: Retried): string {
  const what = `${result.aggregateType} ${result.aggregateId} of ${result.instanceId}`;
  switch (result.outcome) {
    case "released":
      return `${what}: released, ${plural(result.events, "event")} handled`;
    case "failed":
      return `${what}: failed again: ${oneLine(result.error, 200)}`;
    case "gone":
      return `${what}: was released meanwhile`;
  }
}

function projectionNamed(name: string): Projection {
  const found = projections.find((projection) => projection.name === name);
  if (found !== undefined) return found;
  throw new Problem({
    code: "usage",
    fact: `There is no projection ${name}.`,
    outcome: "nothing-run",
    remedy: `Name one of ${projections.map((one) => one.name).join(", ")}.`,
  });
}

function tableText(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0)));
  const line = (row: readonly string[]) =>
    row
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join("  ")
      .trimEnd();
  return rows.map((row) => `${line(row)}\n`).join("");
}
