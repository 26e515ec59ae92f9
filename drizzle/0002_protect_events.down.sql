-- Takes back 0002_protect_events.sql. Proven on a scratch database: it leads back to the catalog before. (c81f1839e720)
set search_path = pg_catalog;
--> statement-breakpoint
set check_function_bodies = off;
--> statement-breakpoint
DROP TRIGGER "events_refuse_change_trg" ON "eventstore"."events";
--> statement-breakpoint
DROP TRIGGER "events_refuse_truncate_trg" ON "eventstore"."events";
--> statement-breakpoint
DROP FUNCTION "eventstore"."refuse_events_change"();
