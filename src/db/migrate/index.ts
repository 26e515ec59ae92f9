export { EXIT_CODES, EXIT_PENDING, MigrateError, type MigrateErrorCode } from "./errors.ts";
export { describeHolder } from "./io/lease.ts";
export { writeSumFile } from "./io/sum.ts";
export { DatabaseMigrator } from "./migrator.ts";
export { describeBlocker } from "./pure/blockers.ts";
export { type MigratorOptions, optionProblems, settingsError } from "./pure/options.ts";
export { parseMigration } from "./pure/parse-file.ts";
export {
  duration,
  errorJson,
  eventCells,
  eventJson,
  type MigrationJson,
  migrationJson,
  STATUS_COLUMNS,
  statusCells,
  statusJson,
} from "./pure/report.ts";
export type {
  Blocker,
  CallOptions,
  EventsOptions,
  FollowOptions,
  LeaseHolder,
  MigrateOptions,
  MigrateReport,
  PlannedStep,
  PlanReport,
  Progress,
  RepairedMigration,
  RepairReport,
  ResolveOptions,
  ResolveReport,
  StatusReport,
  WaitOptions,
  WaitReport,
} from "./reports.ts";
export type {
  Checksum,
  Doubt,
  EventPayload,
  EventSink,
  EventType,
  LedgerEvent,
  MigrationFlag,
  MigrationState,
  MigrationStatus,
  Owner,
  RecordedError,
  Tag,
} from "./types.ts";
export { TOOL_VERSION } from "./version.ts";
