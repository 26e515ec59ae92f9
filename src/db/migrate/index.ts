export { EXIT_CODES, EXIT_PENDING, MigrateError, type MigrateErrorCode } from "./errors.ts";
export { loadHistory } from "./io/folder.ts";
export { describeHolder } from "./io/lease.ts";
export { checkFolderSum, readDownFiles, type WrittenSum, writeSumFile } from "./io/sum.ts";
export { DatabaseMigrator } from "./migrator.ts";
export { describeBlocker } from "./pure/blockers.ts";
export { checksumOf } from "./pure/checksum.ts";
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
export { downFileOf } from "./pure/sum-file.ts";
export { describeTarget, driverUrl, replaceDatabase, urlProblem } from "./pure/url.ts";
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
  History,
  LedgerEvent,
  Migration,
  MigrationFlag,
  MigrationState,
  MigrationStatus,
  Owner,
  RecordedError,
  Tag,
} from "./types.ts";
export { TOOL_VERSION } from "./version.ts";
