export type { BarrierOptions } from "./barrier.ts";
export { readBarrier } from "./barrier.ts";
export {
  type CallerTransaction,
  type DrizzleTransaction,
  type Run,
  runOn,
  serverError,
} from "./database.ts";
export type { CommandTarget, Executed, ExecuteOptions } from "./decide.ts";
export {
  type Aggregate,
  type AggregateDefinition,
  type AggregateRef,
  type AnyStoredEvent,
  type Decider,
  type Decision,
  defineAggregate,
  type EventMeta,
  type EventOf,
  type Expected,
  type Fold,
  type Intent,
  type JsonObject,
  type SnapshotOptions,
  type StoredEventOf,
  type Target,
  type UniqueValue,
} from "./definition.ts";
export { type EventOptions, event } from "./event.ts";
export {
  ConcurrencyConflict,
  EventStoreError,
  type EventStoreErrorCode,
  UniqueViolation,
} from "./event-store-error.ts";
export type { Loaded, StoreWarning } from "./load.ts";
export { EVENT_COLUMNS, type EventRow, eventOf, isStorable, readEvent } from "./payload.ts";
export { foldUnique } from "./prepared-push.ts";
export type { InlineHandler, PushOptions, PushResult } from "./push.ts";
export { type EventSelection, type ReadInstanceOptions, selects } from "./read.ts";
export { scenario } from "./scenario.ts";
export { createEventStore, type EventStore, type EventStoreOptions } from "./store.ts";
