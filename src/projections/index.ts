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
export type { OnProgress, RunnerProgress } from "./progress.ts";
export { ProjectionError, type ProjectionErrorCode } from "./projection-error.ts";
export { createProjectionRunner, type ProjectionRunner, type RunnerOptions } from "./runner.ts";
