-- Takes back 0003_add_idempotency_keys_and_snapshots.sql. Proven on a scratch database: it leads back to the catalog before. (15e854ce73be)
-- loses: table eventstore.idempotency_keys
-- loses: table eventstore.snapshots
set search_path = pg_catalog;
--> statement-breakpoint
DROP TABLE "eventstore"."idempotency_keys";
--> statement-breakpoint
DROP TABLE "eventstore"."snapshots";
