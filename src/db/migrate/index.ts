export { EXIT_CODES, EXIT_PENDING, MigrateError, type MigrateErrorCode } from "./errors.ts";
export { describeHolder } from "./io/lease.ts";
export { writeSumFile } from "./io/sum.ts";
export {
  type CallOptions,
  DatabaseMigrator,
  type MigrateOptions,
  type MigrateReport,
  type PlannedStep,
  type PlanReport,
  type StatusReport,
} from "./migrator.ts";
export { type MigratorOptions, optionProblems, settingsError } from "./pure/options.ts";
export {
  duration,
  errorJson,
  type MigrationJson,
  migrationJson,
  STATUS_COLUMNS,
  statusCells,
} from "./pure/report.ts";
export type {
  Checksum,
  LeaseHolder,
  MigrationFlag,
  MigrationState,
  MigrationStatus,
  Owner,
  Progress,
  RecordedError,
  Tag,
} from "./types.ts";
export { TOOL_VERSION } from "./version.ts";
