import { Problem } from "../base/problem.ts";
import {
  checksumOf,
  type History,
  loadHistory,
  MigrateError,
  type Migration,
} from "../migrate/index.ts";
import { type ScratchOptions, withScratchServer } from "../scratch/index.ts";
import { withReplay } from "../scratch/replay.ts";
import { type DerivedDown, deriveDown } from "./derive.ts";
import { type Drafted, isOwnError, refusedDraft } from "./refused.ts";

export interface DraftDownOptions {
  /** Migrations folder, without the draft; it need not exist. */
  readonly dir: string;
  readonly draft: Drafted;
  readonly ledgerSchema: string;
  readonly scratch: ScratchOptions;
  readonly signal?: AbortSignal;
}

/** The draft, or what it builds on, cannot be tried on a scratch database. */
export interface Untried {
  readonly kind: "untried";
  readonly reason: string;
}

/**
 * Generates and proves the down file of a drafted migration. A draft that cannot be tried (an
 * extension is missing there, an older migration fails there) is still worth keeping.
 *
 * @throws MigrateError `migration_failed`, `unsupported_statement`, `history_invalid` where it was tried
 *   and fails by its own fault; `config`, `connect` (the scratch server), `canceled`
 */
export async function deriveDraftDown(options: DraftDownOptions): Promise<DerivedDown | Untried> {
  const { dir, draft, ledgerSchema, scratch, signal } = options;
  const { migrations: earlier, before } = await historyBefore(dir);
  const checksum = checksumOf(draft.sql);
  const { tag, file, sql } = draft;
  const migration = { tag, file, sql, index: earlier.length, checksum, link: checksum };
  const migrations = [...earlier, migration];
  try {
    return await withScratchServer(scratch, (server) =>
      withReplay({ server, migrations, before, ledgerSchema, signal }, (replay) =>
        deriveDown(replay, earlier.length),
      ),
    );
  } catch (error) {
    if (error instanceof MigrateError && OF_THE_SERVER.has(error.code)) throw error;
    if (isOwnError(error, draft)) throw await refusedDraft(error, draft, earlier);
    if (error instanceof MigrateError) return { kind: "untried", reason: reasonOf(error, draft) };
    if (error instanceof Problem) return { kind: "untried", reason: error.message };
    throw error;
  }
}

async function historyBefore(
  dir: string,
): Promise<Pick<History, "before"> & { readonly migrations: readonly Migration[] }> {
  try {
    return await loadHistory(dir, { sumFile: "ignore" });
  } catch (error) {
    // The first migration makes the folder.
    if (error instanceof MigrateError && error.code === "config") return { migrations: [] };
    throw error;
  }
}

const OF_THE_SERVER: ReadonlySet<string> = new Set(["config", "connect", "canceled"]);

function reasonOf(error: MigrateError, draft: Drafted): string {
  const text = error.failure;
  return error.tag === undefined || error.tag === draft.tag
    ? text
    : `it was not tried, because the earlier migration ${error.tag} fails on the scratch database: ${text}`;
}
