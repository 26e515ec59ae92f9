import { CatalogError } from "../catalog.ts";
import {
  checksumOf,
  loadHistory,
  MigrateError,
  type Migration,
  type Tag,
} from "../migrate/index.ts";
import { withReplay } from "../scratch/replay.ts";
import { type ScratchOptions, withScratchServer } from "../scratch.ts";
import { type DerivedDown, deriveDown } from "./derive.ts";

export interface DraftDownOptions {
  /** Migrations folder, as it is without the draft; it need not be there. */
  readonly dir: string;
  /** The migration that is not in the folder yet. */
  readonly draft: { readonly tag: Tag; readonly file: string; readonly sql: string };
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
 * Works out and proves the down file of a migration that was drafted. That it cannot be tried (an
 * extension is missing there, or the SQL is wrong) is no reason to throw the draft away.
 *
 * @throws MigrateError `config`, `connect` (the scratch server), `canceled`
 */
export async function deriveDraftDown(options: DraftDownOptions): Promise<DerivedDown | Untried> {
  const { dir, draft, ledgerSchema, scratch, signal } = options;
  const before = await historyBefore(dir);
  const checksum = checksumOf(draft.sql);
  const migration = { ...draft, index: before.length, checksum, link: checksum };
  const migrations = [...before, migration];
  try {
    return await withScratchServer(scratch, (server) =>
      withReplay({ server, migrations, ledgerSchema, signal }, (replay) =>
        deriveDown(replay, before.length),
      ),
    );
  } catch (error) {
    if (isServer(error)) throw error;
    if (error instanceof MigrateError) return { kind: "untried", reason: reasonOf(error) };
    if (error instanceof Error && WHOLE_SENTENCES.has(error.name)) {
      return { kind: "untried", reason: error.message };
    }
    throw error;
  }
}

const WHOLE_SENTENCES: ReadonlySet<string> = new Set([CatalogError.name, "EmbeddedServerError"]);

async function historyBefore(dir: string): Promise<readonly Migration[]> {
  try {
    return (await loadHistory(dir, { sumFile: "ignore" })).migrations;
  } catch (error) {
    // A first migration makes the folder.
    if (error instanceof MigrateError && error.code === "config") return [];
    throw error;
  }
}

function isServer(error: unknown): boolean {
  return error instanceof MigrateError && ["config", "connect", "canceled"].includes(error.code);
}

function reasonOf({ recorded, fact }: MigrateError): string {
  return recorded === undefined ? fact : recorded.text.replace(/\nstate: .*$/s, "");
}
