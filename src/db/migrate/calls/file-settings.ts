import type { MigratorOptions } from "./options.ts";

/** Options of a migrator that a file may set: not the database, and not the folder. */
type Settable = Pick<
  MigratorOptions,
  | "ledgerSchema"
  | "connectTimeoutMs"
  | "waitTimeoutMs"
  | "lockTimeoutMs"
  | "lockTries"
  | "lockBudgetMs"
  | "stepTimeoutMs"
  | "deadlineMs"
  | "recordRowValues"
  | "drizzleTable"
  | "eventSink"
>;

/**
 * The key `tidemark` of a drizzle configuration, which the command line reads. Its options win.
 *
 * ```ts
 * import type { Config } from "drizzle-kit";
 * import type { TidemarkSettings } from "tidemark";
 *
 * export default {
 *   dialect: "postgresql",
 *   out: "./drizzle",
 *   tidemark: { ledgerSchema: "tidemark_shop" },
 * } satisfies Config & { tidemark: TidemarkSettings };
 * ```
 */
export interface TidemarkSettings extends Settable {
  /** Server for scratch databases. Default: an embedded PostgreSQL, thrown away. */
  readonly scratchUrl?: string;
  /** Objects that may differ, as patterns for `drift`; `*` matches any characters. */
  readonly ignore?: readonly string[];
}
