import { identifier, literal } from "../../base/quote.ts";
import type { EventSink, Warning } from "../types.ts";

/** Column of what `copyEvents` returns: null, or why the copy is behind. */
export const COPY = "tidemark_copy";

/**
 * The app's own copy of the migration events, written last before COMMIT. A savepoint
 * around it keeps what is wrong with the app's table from failing the migration.
 */
export function copyEvents(schema: string, sink: EventSink | undefined): readonly string[] {
  if (sink === undefined) return [];
  const args = `${literal(sink.table)}, ${literal(sink.sql)}`;
  return [
    // The app's policies are for its tables, ours for the ledger's.
    "set local row_security to on",
    `select ${identifier(schema)}.copy_events(${args}) as ${COPY}`,
  ];
}

/** Column of what `isCopyBehind` reads. */
export const COPY_IS_BEHIND = "tidemark_copy_behind";

/** Whether there are events that the copy has not. */
export function isCopyBehind(schema: string): string {
  const s = identifier(schema);
  return `select r.sink_position is distinct from (select pg_catalog.max(e.id) from ${s}.migration_events e)
  as ${COPY_IS_BEHIND}
from ${s}.runner r`;
}

/** The warning that the copy is behind. */
export function copyBehind(reason: string): Warning {
  const message = `the event store's copy of the migration events stays behind: ${reason}. The next migration that can write it does.`;
  return { kind: "copy-behind", message };
}

/**
 * The ledger's function that `copyEvents` calls. The runner row remembers how far the copy
 * is, and into which table: one that was dropped and made again gets all of it again.
 */
export function copyFunction(s: string, quote: string, eventObject: (alias: string) => string) {
  return `
create or replace function ${s}.copy_events(p_table text, p_sql text)
returns text
language plpgsql
set search_path = pg_catalog, pg_temp
as ${quote}
declare
  target oid;
  before record;
  behind jsonb;
  newest bigint;
begin
  select r.sink_table, r.sink_position, r.run_id, r.sink_given_up into before
  from ${s}.runner r where r.id = 1;
  -- A session that has locked the app's table must not hold the migrations up: one try per run.
  if before.sink_given_up = before.run_id then
    return format('%s is locked by another session', p_table);
  end if;
  perform set_config('lock_timeout', '200ms', true);
  begin
    target := to_regclass(p_table);
    if target is null then
      -- Not made yet; or gone again, which is worth a word.
      return case when before.sink_table is not null then format('there is no table %s any more', p_table) end;
    end if;
    select jsonb_agg(${eventObject("e")} order by e.id), max(e.id) into behind, newest
    from ${s}.migration_events e
    where e.id > case when before.sink_table = target then before.sink_position else 0 end;
    if behind is null then
      return null;
    end if;
    -- A constraint that is checked at COMMIT would fail all that this savepoint is to protect.
    set constraints all immediate;
    execute p_sql using behind;
    update ${s}.runner set sink_table = target, sink_position = newest where id = 1;
    return null;
  exception
  when lock_not_available then
    update ${s}.runner set sink_given_up = before.run_id where id = 1;
    return format('%s is locked by another session', p_table);
  when others or assert_failure then
    return format('%s (SQLSTATE %s)', sqlerrm, sqlstate);
  end;
end
${quote};`;
}
