import { connect } from "../connection/connect.ts";
import { isServerError, type Session } from "../connection/session.ts";
import type { PlannedSegment, PlannedStep, PlanReport, Progress } from "../migrate/index.ts";
import type { Work } from "../sql-tree/locks/effect.ts";
import { effectsOf, opaqueReason } from "../sql-tree/locks/effects.ts";
import { follow } from "../sql-tree/locks/follow.ts";
import { type LockMode, rankOf } from "../sql-tree/locks/lock-modes.ts";
import type { Scene, SceneTable } from "../sql-tree/locks/scene.ts";
import { treesOf } from "../sql-tree/tree.ts";
import { readFigures } from "./figures.ts";
import type { Forecast, ForecastStep } from "./forecast-types.ts";
import { blockersOf, lookAround, type OthersNow } from "./in-the-way.ts";
import { readScene } from "./read-scene.ts";

export type * from "./forecast-types.ts";
export { lookAround } from "./in-the-way.ts";
export { LOOKS } from "./read-scene.ts";
export { ended, scriptOf } from "./script.ts";

export interface ForecastTarget {
  readonly url: string;
  readonly connectTimeoutMs: number;
  readonly sampleMs: number;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: (progress: Progress) => void;
}

/**
 * Looks up what a plan will lock: which locks each statement takes on which tables, how big and busy these are, and
 * who would be waited for now. Writes nothing, takes no lease, waits for no lock longer than half a second.
 *
 * @throws Problem `connect`; the server's error
 */
export async function forecast(plan: PlanReport, target: ForecastTarget): Promise<Forecast> {
  const { url, connectTimeoutMs, signal, onProgress = () => undefined } = target;
  const sampleMs = plan.steps.length === 0 ? 0 : target.sampleMs;
  const nothing = { tables: [], sessions: [], longTransactions: [], sampleMs, notes: [] };
  if (plan.steps.length === 0) return { ...plan, steps: [], ...nothing };
  const options = { url, connectTimeoutMs, signal, onProgress, onFailpoint: undefined };
  const { session } = await connect(options, "select 1");
  try {
    return await look(session, plan, sampleMs, signal);
  } catch (error) {
    if (!isServerError(error)) throw error;
    // The plan itself stands.
    const steps = plan.steps.map((step) => ({ ...step, forecast: [] }));
    return {
      ...plan,
      steps,
      ...nothing,
      notes: [`The locks could not be looked up: ${error.message}.`],
    };
  } finally {
    await session.close();
  }
}

interface Foreseen {
  readonly step: PlannedStep;
  readonly statements: readonly {
    readonly statement: number;
    readonly effects: readonly Foretold[];
    readonly unseen: string | null;
    /** It waits until nobody holds a lock that conflicts with this one either. */
    readonly outwaits: LockMode | undefined;
  }[];
}

/** As it was named when its turn came: later statements may rename it. */
interface Foretold {
  readonly mode: LockMode;
  readonly work: Work;
  readonly table: SceneTable;
  readonly name: string;
}

async function look(
  session: Session,
  plan: PlanReport,
  sampleMs: number,
  signal: AbortSignal | undefined,
): Promise<Forecast> {
  const scene = await readScene(session);
  // As they are called now: what is to run may rename them.
  const tables = [...scene.tables].map((table) => ({ ...table, table }));
  const foreseen: Foreseen[] = [];
  for (const step of plan.steps) foreseen.push(await foresee(step, scene));
  const locked = new Set(
    foreseen.flatMap(({ statements }) =>
      statements.flatMap(({ effects }) => effects.map(({ table }) => table)),
    ),
  );
  const known = tables.flatMap(({ table, oid, ...rest }) =>
    locked.has(table) && oid !== undefined ? [{ ...rest, oid }] : [],
  );
  const now = await lookAround(
    session,
    known.map(({ oid }) => oid),
  );
  const figures = await readFigures(session, known, sampleMs, signal);
  const steps = foreseen.map((one) => withWaits(one, now));
  const waited = new Set(
    steps.flatMap(({ forecast: statements }) =>
      statements.flatMap(({ locks, waitsForSnapshots }) => [
        ...locks.flatMap(({ waitsFor }) => waitsFor),
        ...waitsForSnapshots,
      ]),
    ),
  );
  const all = [...now.locks.map(({ blocker }) => blocker), ...now.snapshots];
  const sessions = new Map(all.map((blocker) => [blocker.pid, blocker]));
  return {
    ...plan,
    steps,
    tables: known.flatMap(({ oid, schema, name }) => {
      const found = figures.get(oid);
      return found === undefined ? [] : [{ table: nameOf({ schema, name }), ...found }];
    }),
    sessions: [...sessions.values()].filter(({ pid }) => waited.has(pid)),
    longTransactions: now.long,
    sampleMs,
    notes: now.seesOthers
      ? []
      : [
          `The role ${now.role} does not see what other roles' sessions run, nor for how long: ` +
            "for that, GRANT pg_read_all_stats to it.",
        ],
  };
}

function nameOf({ schema, name }: Pick<SceneTable, "schema" | "name">): string {
  return schema === undefined ? name : `${schema}.${name}`;
}

async function foresee(step: PlannedStep, scene: Scene): Promise<Foreseen> {
  // Each file begins with the role's own settings.
  scene.searchPath = scene.facts.searchPath;
  const statements: Foreseen["statements"][number][] = [];
  for (const [i, text] of step.statements.entries()) {
    const [tree] = await treesOf(text);
    const effects = tree === undefined ? [] : effectsOf(tree, scene);
    statements.push({
      statement: step.resumeAt + i + 1,
      effects: effects
        .map(({ mode, work, table }) => ({ mode, work, table, name: nameOf(table) }))
        .sort((one, other) => rankOf(other.mode) - rankOf(one.mode)),
      unseen: tree === undefined ? null : (opaqueReason(tree) ?? null),
      outwaits: isConcurrent(text, step.segments, step.resumeAt + i + 1)
        ? tree !== undefined && "IndexStmt" in tree
          ? "SHARE"
          : "ACCESS EXCLUSIVE"
        : undefined,
    });
    if (tree !== undefined) follow(tree, scene);
  }
  return { step, statements };
}

/** What the transaction of each statement holds when its turn comes. */
function held(
  segments: readonly PlannedSegment[],
  statements: Foreseen["statements"],
): ReadonlyMap<number, ReadonlyMap<SceneTable, LockMode>> {
  const byStatement = new Map<number, ReadonlyMap<SceneTable, LockMode>>();
  for (const { kind, statements: numbers } of segments) {
    if (kind === "outside") continue;
    const holds = new Map<SceneTable, LockMode>();
    for (const { statement, effects } of statements) {
      if (!numbers.includes(statement)) continue;
      byStatement.set(statement, new Map(holds));
      for (const { table, mode } of effects) {
        const known = holds.get(table);
        if (known === undefined || rankOf(known) < rankOf(mode)) holds.set(table, mode);
      }
    }
  }
  return byStatement;
}

function isConcurrent(
  text: string,
  segments: readonly PlannedSegment[],
  statement: number,
): boolean {
  const isOutside = segments.some(
    ({ kind, statements }) => kind === "outside" && statements.includes(statement),
  );
  return isOutside && /\bconcurrently\b/i.test(text);
}

function withWaits({ step, statements }: Foreseen, now: OthersNow): ForecastStep {
  const holds = held(step.segments, statements);
  return {
    ...step,
    forecast: statements.map(({ statement, effects, unseen, outwaits }) => ({
      statement,
      locks: effects.map(({ mode, work, table, name }) => {
        const { oid, isNew } = table;
        const modes = outwaits === undefined ? [mode] : [mode, outwaits];
        const blockers = oid === undefined ? [] : modes.flatMap((one) => blockersOf(oid, one, now));
        const waitsFor = [...new Set(blockers.map(({ pid }) => pid))];
        const before = holds.get(statement)?.get(table) ?? mode;
        const stronger = rankOf(before) > rankOf(mode) ? before : null;
        return { mode, held: stronger, table: name, work, isNew, waitsFor };
      }),
      unseen,
      waitsForSnapshots: outwaits === undefined ? [] : now.snapshots.map(({ pid }) => pid),
    })),
  };
}
