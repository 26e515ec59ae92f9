export { describeTarget, replaceDatabase, urlProblem } from "../base/address.ts";
export { duration } from "../base/text.ts";
export type {
  AdoptAnswers,
  DrizzleStatus,
  DrizzleTableName,
  JudgedRow,
  TakenOver,
} from "./adopt-types.ts";
export type {
  BackfillAction,
  BackfillOutcome,
  BackfillStatus,
  HeldBack,
} from "./backfill-types.ts";
export type { Backfills } from "./backfills.ts";
export { createLedger } from "./calls/create-ledger.ts";
export type { TidemarkSettings } from "./calls/file-settings.ts";
export { type MigratorOptions, optionProblems, settingsError } from "./calls/options.ts";
export { lossText } from "./calls/refuse-loss.ts";
export {
  errorJson,
  eventCells,
  eventJson,
  type MigrationJson,
  migrationJson,
  repeatableCells,
  repeatableJson,
  runningJson,
  STATUS_COLUMNS,
  statusCells,
  statusJson,
} from "./calls/report.ts";
export type {
  BackfillDefinition,
  BatchContext,
  BatchLimits,
  Hours,
  PauseLimits,
} from "./code/backfill-definition.ts";
export type {
  StepContext,
  StepDefinition,
  StepRow,
  StepSql,
} from "./code/definition.ts";
export {
  EXIT_CODES,
  EXIT_PENDING,
  MigrateError,
  type MigrateErrorCode,
  withParts,
} from "./errors.ts";
export { describeBlocker } from "./execute/blockers.ts";
export { describeWork } from "./execute/server-work.ts";
export { checksumOf } from "./history/checksum.ts";
export { compiledText } from "./history/code-files.ts";
export { headerOf, IRREVERSIBLE, irreversibleReason, lossNotes } from "./history/down-notes.ts";
export type { GivenHistory, GivenMigration, GivenStep } from "./history/given.ts";
export { type JournalEntry, readJournal, redated } from "./history/journal.ts";
export { codeFilesOf, downFileOf, schemaFileOf, sqlFileOf, stepFileOf } from "./history/layout.ts";
export { loadHistory } from "./history/load.ts";
export type { GivenRepeatable } from "./history/repeatables.ts";
export { repeatableFileOf } from "./history/repeatables.ts";
export { recordedSums, SUM_FILE } from "./history/sum-file.ts";
export {
  checkFolderSum,
  copyRepeatables,
  readDownFiles,
  type WrittenSum,
  writeSumFile,
} from "./history/sum-folder.ts";
export { describeHolder } from "./lease/wait.ts";
export type { EventPayload, EventType, LedgerEvent } from "./ledger-types.ts";
export { DatabaseMigrator } from "./migrator.ts";
export { doubtText } from "./plan/existing.ts";
export { heldBackText } from "./plan/held-back.ts";
export type { Blocker, LeaseHolder, Progress, ServerWork } from "./progress-types.ts";
export type {
  PlannedRepeatable,
  RanRepeatable,
  RepeatableFlag,
  RepeatableReason,
  RepeatableStatus,
} from "./repeatable-types.ts";
/** @internal */
export { parseRepeatables } from "./repeatables/parse-repeatables.ts";
export type {
  AdoptOptions,
  AdoptReport,
  CallOptions,
  EventsOptions,
  FollowOptions,
  Hook,
  HookContext,
  MigrateOptions,
  MigrateReport,
  PlannedCode,
  PlannedSegment,
  PlannedStep,
  PlanReport,
  RepairedMigration,
  RepairReport,
  ResolveOptions,
  ResolveReport,
  RunningNow,
  StatusReport,
  WaitOptions,
  WaitReport,
} from "./reports.ts";
export type {
  PlannedRevert,
  RollbackLoss,
  RollbackOptions,
  RollbackPlan,
  RollbackReport,
  RollbackTarget,
} from "./rollback-types.ts";
/** @internal for the development rooms: their types are those of a grammar that users do not install. */
export { loadParser } from "./sql/grammar.ts";
/** @internal */
export { parseMigration } from "./sql/parse.ts";
/** @internal */
export { maskSecrets } from "./sql/secrets.ts";
export type {
  BeforeFile,
  Checksum,
  CodeFile,
  Doubt,
  EventSink,
  History,
  Layout,
  Migration,
  MigrationFlag,
  MigrationState,
  MigrationStatus,
  Owner,
  RecordedError,
  Repeatable,
  Tag,
} from "./types.ts";
export { TOOL_VERSION } from "./version.ts";
