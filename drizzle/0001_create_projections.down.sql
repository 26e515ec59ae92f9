-- Takes back 0001_create_projections.sql. Proven on a scratch database: it leads back to the catalog before. (988116ae00b8)
-- loses: table projections.current_states
-- loses: table projections.failed_events
-- loses: table projections.orgs
-- loses: table projections.user_humans
-- loses: table projections.user_machines
-- loses: table projections.user_notifications
-- loses: table projections.users
set search_path = pg_catalog;
--> statement-breakpoint
ALTER TABLE "projections"."user_humans" DROP CONSTRAINT "user_humans_users_fk";
--> statement-breakpoint
ALTER TABLE "projections"."user_machines" DROP CONSTRAINT "user_machines_users_fk";
--> statement-breakpoint
ALTER TABLE "projections"."user_notifications" DROP CONSTRAINT "user_notifications_users_fk";
--> statement-breakpoint
DROP TABLE "projections"."current_states";
--> statement-breakpoint
DROP TABLE "projections"."failed_events";
--> statement-breakpoint
DROP TABLE "projections"."orgs";
--> statement-breakpoint
DROP TABLE "projections"."user_humans";
--> statement-breakpoint
DROP TABLE "projections"."user_machines";
--> statement-breakpoint
DROP TABLE "projections"."user_notifications";
--> statement-breakpoint
DROP TABLE "projections"."users";
--> statement-breakpoint
DROP SCHEMA "projections";
