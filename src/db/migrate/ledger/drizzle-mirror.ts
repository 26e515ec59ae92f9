import { identifier, integer, literal } from "../../base/quote.ts";
import type { DrizzleMirror, DrizzleTableName } from "../adopt-types.ts";
import { drizzleHash, drizzleHashes } from "../history/drizzle-hash.ts";
import type { Migration } from "../types.ts";

/**
 * Writes a migration's row into drizzle's table, as drizzle would, so that drizzle's migrator goes on
 * after it. Nothing where the table is gone. Its columns are looked up each time: drizzle 1.x adds
 * the names, and would run again what has none.
 */
export function mirrorMigration(
  mirror: DrizzleMirror | null,
  migration: Migration,
): readonly string[] {
  if (mirror === null || mirror.isOthers) return [];
  const table = tableOf(mirror);
  const hash = literal(drizzleHash(migration));
  const when = migration.when === undefined ? NOW_MS : integer(migration.when);
  const insert = `insert into ${table} (hash, created_at) values (${hash}, ${when})`;
  const named = `insert into ${table} (hash, created_at, name) values (${hash}, ${when}, ${literal(migration.tag)})`;
  return [
    `do ${literal(`declare
  target regclass := to_regclass(${literal(table)});
  said text;
  advised text;
  raised text;
begin
  if target is null then
    return;
  end if;
  if exists (select from ${table} t where t.hash = ${hash} and t.created_at = ${when}) then
    raise exception 'drizzle''s own migrator has applied this migration at the same time'
      using errcode = ${literal(TABLE_CHANGED)}, hint = 'Only one of the two may run at a time. The next run takes over what drizzle applied.';
  end if;
  if exists (select from pg_attribute a where a.attrelid = target and a.attname = 'name' and not a.attisdropped) then
    execute ${literal(named)};
  else
    execute ${literal(insert)};
  end if;
exception
  when insufficient_privilege or undefined_column or not_null_violation then
    ${cannotBeWritten("insert", "migration")}
end`)}`,
  ];
}

/**
 * Takes a migration's row out of drizzle's table, so that drizzle's migrator has it as pending too. What is left there
 * stays settled: a table whose newest number is lower than the last settled one is taken for a new one.
 *
 * @param schema of the ledger
 * @param reverted its checksum, as it was applied
 * @param up as the history has it: line ends and a mark at the start decide what drizzle hashes
 */
export function unmirrorMigration(
  schema: string,
  mirror: DrizzleMirror | null,
  reverted: Pick<Migration, "tag" | "checksum">,
  up: Migration | undefined,
): readonly string[] {
  if (mirror === null || mirror.isOthers) return [];
  const table = tableOf(mirror);
  const applied = reverted.checksum.replace("sha256:", "");
  const hashes = new Set([applied, ...(up === undefined ? [] : drizzleHashes(up))]);
  const mine = `t.hash in (${[...hashes].map(literal).join(", ")})`;
  const remove = `delete from ${table} t where ${mine}`;
  // In drizzle 1.x two migrations may have one text.
  const named = `${remove} and coalesce(t.name, ${literal(reverted.tag)}) = ${literal(reverted.tag)}`;
  const when = up?.when === undefined ? "" : ` and t.created_at = ${integer(up.when)}`;
  return [
    `do ${literal(`declare
  target regclass := to_regclass(${literal(table)});
  said text;
  advised text;
  raised text;
begin
  if target is null then
    return;
  end if;
  if exists (select from pg_attribute a where a.attrelid = target and a.attname = 'name' and not a.attisdropped) then
    execute ${literal(named)};
  elsif (select count(*) from ${table} t where ${mine}) > 1 then
    execute ${literal(`${remove}${when}`)};
  else
    execute ${literal(remove)};
  end if;
  execute ${literal(`update ${identifier(schema)}.runner r
    set drizzle_table = jsonb_set(r.drizzle_table, '{seen}', to_jsonb(least((r.drizzle_table ->> 'seen')::bigint,
      coalesce((select max((to_jsonb(t) ->> 'id')::bigint) from ${table} t), 0))))
    where r.id = 1 and r.drizzle_table is not null`)};
exception
  when insufficient_privilege then
    ${cannotBeWritten("delete", "rollback")}
end`)}`,
  ];
}

/** All that was said of it. A trigger's own refusal, of a role that has the right, is not answered with a grant. */
function cannotBeWritten(right: "insert" | "delete", what: "migration" | "rollback"): string {
  return `get stacked diagnostics said = pg_exception_detail, advised = pg_exception_hint, raised = pg_exception_context;
    raise exception 'drizzle''s own table % cannot be written: %', target, sqlerrm using errcode = sqlstate,
      detail = concat_ws(e'\\n', nullif(said, ''), raised),
      hint = concat_ws(' ', nullif(advised, ''), 'The ${what} itself is fine.',
        case when not has_table_privilege(target, '${right}') then 'Grant the role ${right} on that table, or give it up with:'
          else 'Correct what refuses it, or give that table up with:' end,
        'tidemark migrate --no-mirror');`;
}

const NOW_MS = "(extract(epoch from clock_timestamp()) * 1000)::bigint";

/** SQLSTATEs of our own: drizzle's table is not as it was when it was read; somebody has it locked. */
export const TABLE_CHANGED = "TM003";
export const TABLE_LOCKED = "TM004";

/**
 * Keeps drizzle's migrator out until the transaction ends, waits for what it is about to commit, and raises
 * where the table is not as it was read: a row with a lower number may come after one with a higher.
 * Also where the role may not add rows later.
 *
 * @param after the rows that were read have numbers above it
 * @param count how many there were
 */
export function lockDrizzleTable(
  name: DrizzleTableName,
  { after, count }: { readonly after: number; readonly count: number },
): string {
  const table = tableOf(name);
  return `do ${literal(`declare
  numbers text := pg_get_serial_sequence(${literal(table)}, 'id');
begin
  begin
    lock table ${table} in share row exclusive mode;
  exception when lock_not_available then
    raise exception 'another session holds a lock on it' using errcode = ${literal(TABLE_LOCKED)};
  end;
  if ${integer(count)} <> (select count(*) from ${table} t where (to_jsonb(t) ->> 'id')::bigint > ${integer(after)}) then
    raise exception 'drizzle''s migrator is at work' using errcode = ${literal(TABLE_CHANGED)};
  end if;
  if not has_table_privilege(${literal(table)}, 'INSERT')
    or (numbers is not null and not has_sequence_privilege(numbers, 'USAGE')) then
    raise exception 'permission denied to add rows' using errcode = 'insufficient_privilege';
  end if;
end`)}`;
}

/** Notes which table is kept up to date from here on; null ends it. */
export function setMirror(schema: string, mirror: DrizzleMirror | null): string {
  const value = mirror === null ? "null" : `${literal(JSON.stringify(mirror))}::jsonb`;
  return `update ${identifier(schema)}.runner set drizzle_table = ${value} where id = 1`;
}

function tableOf({ schema, table }: DrizzleTableName): string {
  return `${identifier(schema)}.${identifier(table)}`;
}
