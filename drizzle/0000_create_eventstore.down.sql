-- Takes back 0000_create_eventstore.sql. Proven on a scratch database: it leads back to the catalog before. (b425822ecd92)
-- loses: table eventstore.events
-- loses: table eventstore.unique_constraints
set search_path = pg_catalog;
--> statement-breakpoint
DROP TABLE "eventstore"."events";
--> statement-breakpoint
DROP TABLE "eventstore"."unique_constraints";
--> statement-breakpoint
DROP SCHEMA "eventstore";
