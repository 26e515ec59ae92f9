import { Command, CommanderError } from "commander";
import { Problem } from "../db/base/problem.ts";
import { oneLine, plural } from "../db/base/text.ts";
import { DatabasePool } from "../db/pool/index.ts";
import {
  lagText,
  listQuarantined,
  type Projection,
  type ProjectionStatus,
  projectionStatus,
  type Retried,
  retryQuarantined,
} from "../projections/index.ts";
import { projections } from "./projections.ts";
import type { DatabaseAddress } from "./start.ts";

export interface CommandOptions {
  readonly args: readonly string[];
  readonly openDatabase: () => Promise<DatabaseAddress>;
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
}

const FAILED = 1;
const USAGE = 2;

/**
 * Runs a command of the application, `tidemark-app`.
 *
 * @returns the exit code: 0 done, 1 failed or not all released, 2 not understood
 */
export async function runCommand({
  args,
  openDatabase,
  out,
  err,
}: CommandOptions): Promise<number> {
  let exitCode = 0;
  const onDatabase =
    <Rest extends unknown[]>(work: (pool: DatabasePool, ...rest: Rest) => Promise<number>) =>
    async (...rest: Rest) => {
      const { url, release } = await openDatabase();
      const pool = new DatabasePool({ url, max: 4 });
      try {
        exitCode = await work(pool, ...rest);
      } finally {
        await pool.close();
        await release();
      }
    };
  const program = new Command("tidemark-app")
    .description("The application; without a command it serves.")
    .exitOverride()
    .configureOutput({ writeOut: out, writeErr: err });
  const group = program.command("projections").description("what follows from the events");
  group
    .command("status")
    .description("how far each one is, and which aggregates it holds back")
    .option("--json", "for programs")
    .action(onDatabase((pool, options: { json?: boolean }) => status(pool, options, out)));
  group
    .command("retry <name>")
    .description("handle again what a projection holds back; exit with 1 if some stays so")
    .option("--instance <id>", "only of this instance")
    .option("--id <id>", "only the aggregate with this id")
    .action(
      onDatabase((pool, name: string, options: RetryFilter) => retry(pool, name, options, out)),
    );
  try {
    await program.parseAsync(args, { from: "user" });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : USAGE;
    if (!(error instanceof Problem)) throw error;
    err(`error (${error.code}) ${error.message}\n`);
    return error.code === "usage" ? USAGE : FAILED;
  }
}

async function status(
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

interface RetryFilter {
  readonly instance?: string;
  readonly id?: string;
}

async function retry(
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
