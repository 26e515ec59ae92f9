-- Events are append-only. drizzle-kit knows no triggers, so this file is written by hand.
--
-- SQLSTATE TM001 is Tidemark's own: no class that begins with I-Z belongs to SQL or PostgreSQL.
-- The search_path is pinned, so that no object of the caller's can stand in for one used here.
create function eventstore.refuse_events_change() returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  raise exception '%.% is append-only: % refused', tg_table_schema, tg_table_name, tg_op
  using
    errcode = 'TM001',
    schema = tg_table_schema,
    table = tg_table_name,
    hint = case tg_op
      when 'UPDATE' then 'An event is a fact. Append a new event that corrects it, and let the projections follow.'
      else 'An event is a fact. Append a new event that says the thing is gone, and let the projections follow. To start over, drop the database.'
    end;
end;
$$;
--> statement-breakpoint
create trigger events_refuse_change_trg
before update or delete on eventstore.events
for each row execute function eventstore.refuse_events_change();
--> statement-breakpoint
-- A row trigger does not see TRUNCATE.
create trigger events_refuse_truncate_trg
before truncate on eventstore.events
for each statement execute function eventstore.refuse_events_change();
--> statement-breakpoint
-- ALWAYS: an ordinary trigger sleeps under session_replication_role = replica.
alter table eventstore.events enable always trigger events_refuse_change_trg;
--> statement-breakpoint
alter table eventstore.events enable always trigger events_refuse_truncate_trg;
