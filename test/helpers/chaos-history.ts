/**
 * A history that mixes all that a runner can be killed in. Each data migration leaves rows that
 * show whether it ran once: `ticks` has no key that would refuse a second time.
 */
export const MIXED: Readonly<Record<string, string>> = {
  "0000_tables": `create table ticks (what text not null);
create table users (id integer primary key, email text not null, team integer not null, note text);
insert into users select n, 'u' || n, n % 7, repeat('x', n % 50) from generate_series(1, 3000) n;
create type mood as enum ('calm');
create table moods (id integer generated always as identity, mood mood not null);
create table events (id bigint not null, day date not null) partition by range (day);
create table events_old partition of events for values from ('2000-01-01') to ('2020-01-01');
create table events_new partition of events for values from ('2020-01-01') to ('2040-01-01');
insert into events select n, date '2010-01-01' + n from generate_series(1, 200) n;
create index users_doomed_idx on users (note);`,
  "0001_data": `insert into ticks values ('0001');
alter table users add column seen boolean not null default false;`,
  "0002_indexes": `insert into ticks values ('0002 before');
create index concurrently users_email_idx on users (lower(email));
insert into ticks values ('0002 between');
create unique index concurrently if not exists users_id_team_key on public.users using btree (team, id desc);
insert into ticks values ('0002 after');`,
  "0003_commit_trick": `alter table users add column age integer;
insert into ticks values ('0003 before');
COMMIT;--> statement-breakpoint
SET lock_timeout = 0;--> statement-breakpoint
CREATE INDEX CONCURRENTLY IF NOT EXISTS "users_age_idx" ON "users" USING btree ("age");--> statement-breakpoint
SET lock_timeout = '1s';--> statement-breakpoint
insert into ticks values ('0003 after');`,
  "0004_begin_commit": `BEGIN;
insert into ticks values ('0004');
update users set age = id % 90;
COMMIT;`,
  "0005_enum": `alter type mood add value 'glad';
create function cheer() returns void language sql begin atomic insert into ticks values ('cheer'); end;
select cheer();
alter type mood add value if not exists 'sad' before 'glad';
alter type mood add value 'wild';
do $$ begin insert into moods (mood) values ('glad'), ('wild'); end $$;`,
  "0006_enum_used": `insert into moods (mood) select 'sad' from generate_series(1, 3);`,
  "0007_outside": `drop index concurrently users_doomed_idx;
insert into ticks values ('0007');
reindex index concurrently users_email_idx;
alter table events detach partition events_old concurrently;
vacuum (analyze) users;
reindex table concurrently users;`,
  "0008_role_settings": `set search_path to pg_catalog, public;
insert into public.ticks values ('0008 before');
create index concurrently users_note_idx on users (note text_pattern_ops) where seen;
insert into ticks select '0008 ' || current_setting('search_path');`,
  "0009_last": `insert into ticks values ('0009');`,
};
