import {
  eventCells,
  eventJson,
  type LedgerEvent,
  loadHistory,
  MigrateError,
} from "../db/migrate/index.ts";
import { type CommandContext, withMigrator } from "./support/command.ts";
import type { Output } from "./support/output.ts";
import type { CommonFlags } from "./support/settings.ts";

interface EventsFlags extends CommonFlags {
  readonly tag?: string;
  readonly follow?: boolean;
}

/** `tidemark events`: prints the log; with `--follow` it keeps printing new events. */
export function runEvents(flags: EventsFlags): Promise<number> {
  return withMigrator(flags, (context) => (flags.follow ? follow : list)(context, flags));
}

async function list(context: CommandContext, flags: EventsFlags): Promise<number> {
  const { output, migrator, dir, signal } = context;
  const events = await migrator.events({ signal, ...tagOf(flags) });
  if (events.length === 0) await refuseUnknownTag(flags.tag, dir);
  output.json({ events: events.map(eventJson) });
  for (const event of events) printEvent(event, output);
  if (events.length === 0) {
    output.note(flags.tag === undefined ? "No events." : `No events for ${flags.tag}.`);
  }
  return 0;
}

/** With `--json`, one event per line: a stream has no end at which an array could close. */
async function follow(context: CommandContext, flags: EventsFlags): Promise<number> {
  const { output, migrator, dir, signal, interrupted } = context;
  if (flags.tag !== undefined) {
    const { length } = await migrator.events({ signal, newest: 1, ...tagOf(flags) });
    if (length === 0) await refuseUnknownTag(flags.tag, dir);
  }
  const onProgress = ({ kind }: { readonly kind: string }) => {
    if (kind === "reconnecting") output.note("connection lost; reconnecting");
  };
  // The reader has seen enough.
  const unread = new AbortController();
  process.stdout.once("error", () => unread.abort());
  const end = AbortSignal.any([signal, unread.signal]);
  try {
    for await (const event of migrator.followEvents({ signal: end, onProgress, ...tagOf(flags) })) {
      output.jsonLine(eventJson(event));
      printEvent(event, output);
    }
  } catch (error) {
    // Stopping is the normal way to end it.
    if (!end.aborted) throw error;
  }
  return interrupted() ?? 0;
}

/** @throws MigrateError `usage` where the folder does not have it either */
async function refuseUnknownTag(tag: string | undefined, dir: string): Promise<void> {
  if (tag === undefined || (await tagsOf(dir)).includes(tag)) return;
  throw new MigrateError({
    code: "usage",
    fact: `Unknown migration ${tag}: neither the ledger nor the folder ${dir} has it.`,
    remedy: "`tidemark status` shows the tags.",
  });
}

/** Empty if the folder cannot be read, which other commands report. */
async function tagsOf(dir: string): Promise<readonly string[]> {
  try {
    return (await loadHistory(dir)).migrations.map(({ tag }) => tag);
  } catch (error) {
    if (error instanceof MigrateError) return [];
    throw error;
  }
}

function tagOf({ tag }: EventsFlags) {
  return tag === undefined ? {} : { tag };
}

function printEvent(event: LedgerEvent, { print, colors }: Output): void {
  const [when, what, tag, ...rest] = eventCells(event);
  const paint = what === "failed" ? colors.red : what === "done" ? colors.green : colors.cyan;
  const details = rest.filter((cell) => cell !== "").join("  ");
  print(
    `${colors.dim(when)}  ${paint(what.padEnd("resolved".length))}  ${tag}  ${colors.dim(details)}`,
  );
}
