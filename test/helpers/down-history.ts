import { type HistoryFolder, historyFolder } from "./history.ts";

/** A history whose way down mixes what a rollback can be killed in. Empty tables, so nothing is lost. */
export const DOWN_MIXED: Readonly<Record<string, { readonly up: string; readonly down: string }>> =
  {
    "0000_tables": {
      up: `create table users (id integer primary key, email text not null, note text);
create table ticks (what text not null);`,
      down: "drop table users; drop table ticks;",
    },
    "0001_index": {
      up: `create index concurrently users_email_idx on users (email);
create index concurrently users_note_idx on users (note);`,
      down: `drop index concurrently users_note_idx;
alter table users add column between_a integer;
drop index concurrently users_email_idx;
alter table users drop column between_a;`,
    },
    "0002_swap": {
      up: "alter table users add column age integer; drop table ticks;",
      down: `create table ticks (what text not null);
commit;
create index concurrently ticks_tmp_idx on ticks (what);
alter table users drop column age;
commit;
drop index concurrently ticks_tmp_idx;`,
    },
    "0003_view": {
      up: "create view emails as select email from users;",
      down: "drop view emails;",
    },
  };

/** Writes migrations with their down files. */
export async function folderWithDowns(
  migrations: Readonly<Record<string, { readonly up: string; readonly down?: string }>>,
): Promise<HistoryFolder> {
  const ups = Object.entries(migrations).map(([tag, { up }]) => [tag, up] as const);
  const folder = await historyFolder(Object.fromEntries(ups));
  for (const [tag, { down }] of Object.entries(migrations)) {
    if (down !== undefined) await folder.write(`${tag}.down`, down);
  }
  return folder;
}
