CREATE TABLE "eventstore"."idempotency_keys" (
	"instance_id" text NOT NULL,
	"key" text NOT NULL,
	"request_digest" text NOT NULL,
	"positions" bigint[] NOT NULL,
	"created_at" timestamp with time zone DEFAULT statement_timestamp() NOT NULL,
	CONSTRAINT "idempotency_keys_pk" PRIMARY KEY("instance_id","key"),
	CONSTRAINT "idempotency_keys_instance_id_check" CHECK ("eventstore"."idempotency_keys"."instance_id" <> ''),
	CONSTRAINT "idempotency_keys_key_check" CHECK ("eventstore"."idempotency_keys"."key" <> ''),
	CONSTRAINT "idempotency_keys_positions_check" CHECK (cardinality("eventstore"."idempotency_keys"."positions") >= 1)
);
--> statement-breakpoint
CREATE TABLE "eventstore"."snapshots" (
	"instance_id" text NOT NULL,
	"aggregate_type" text NOT NULL,
	"aggregate_id" text NOT NULL,
	"fold" text NOT NULL,
	"fold_version" integer NOT NULL,
	"sequence" bigint NOT NULL,
	"state" jsonb NOT NULL,
	"created_at" timestamp with time zone DEFAULT statement_timestamp() NOT NULL,
	CONSTRAINT "snapshots_pk" PRIMARY KEY("instance_id","aggregate_type","aggregate_id","fold"),
	CONSTRAINT "snapshots_instance_id_check" CHECK ("eventstore"."snapshots"."instance_id" <> ''),
	CONSTRAINT "snapshots_aggregate_type_check" CHECK ("eventstore"."snapshots"."aggregate_type" <> ''),
	CONSTRAINT "snapshots_aggregate_id_check" CHECK ("eventstore"."snapshots"."aggregate_id" <> ''),
	CONSTRAINT "snapshots_fold_check" CHECK ("eventstore"."snapshots"."fold" <> ''),
	CONSTRAINT "snapshots_fold_version_check" CHECK ("eventstore"."snapshots"."fold_version" >= 1),
	CONSTRAINT "snapshots_sequence_check" CHECK ("eventstore"."snapshots"."sequence" >= 1)
);
--> statement-breakpoint
CREATE INDEX "idempotency_keys_created_at_idx" ON "eventstore"."idempotency_keys" USING btree ("instance_id","created_at");