export {
  defineProjection,
  defineReactor,
  type Handled,
  on,
  type Projection,
  type ProjectionMode,
  type ProjectionOptions,
  type Reaction,
  type Reactor,
  type ReactorOptions,
} from "./definition.ts";
export { inlineHandlers } from "./inline.ts";
export type { OnProgress, RunnerProgress } from "./progress.ts";
export { ProjectionError, type ProjectionErrorCode } from "./projection-error.ts";
export {
  type ExpectedRows,
  type ProjectionScenario,
  projectionScenario,
  type ScenarioOptions,
} from "./projection-scenario.ts";
export {
  abandonRebuild,
  type RebuildOptions,
  type RebuildProgress,
  type RebuildReport,
  rebuildProjection,
} from "./rebuild/index.ts";
export {
  listQuarantined,
  type Quarantined,
  type Retried,
  type RetryOptions,
  retryQuarantined,
} from "./retry.ts";
export { createProjectionRunner, type ProjectionRunner, type RunnerOptions } from "./runner.ts";
export {
  type InstanceStatus,
  lagText,
  type ProjectionState,
  type ProjectionStatus,
  projectionStatus,
  type StatusOptions,
} from "./status.ts";
export { type WaitForOptions, waitFor } from "./wait-for.ts";
