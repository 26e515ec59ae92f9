CREATE SCHEMA "eventstore";
--> statement-breakpoint
CREATE TABLE "eventstore"."events" (
	"instance_id" text NOT NULL,
	"aggregate_type" text NOT NULL,
	"aggregate_id" text NOT NULL,
	"sequence" bigint NOT NULL,
	"global_sequence" bigint GENERATED ALWAYS AS IDENTITY (sequence name "eventstore"."events_global_sequence_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9007199254740991 START WITH 1 CACHE 1),
	"event_type" text NOT NULL,
	"revision" smallint NOT NULL,
	"creator" text NOT NULL,
	"owner" text NOT NULL,
	"created_at" timestamp with time zone DEFAULT statement_timestamp() NOT NULL,
	"payload" jsonb,
	CONSTRAINT "events_pk" PRIMARY KEY("instance_id","aggregate_type","aggregate_id","sequence"),
	CONSTRAINT "events_global_sequence_key" UNIQUE("instance_id","global_sequence"),
	CONSTRAINT "events_instance_id_check" CHECK ("eventstore"."events"."instance_id" <> ''),
	CONSTRAINT "events_aggregate_type_check" CHECK ("eventstore"."events"."aggregate_type" <> ''),
	CONSTRAINT "events_aggregate_id_check" CHECK ("eventstore"."events"."aggregate_id" <> ''),
	CONSTRAINT "events_sequence_check" CHECK ("eventstore"."events"."sequence" >= 1),
	CONSTRAINT "events_event_type_check" CHECK ("eventstore"."events"."event_type" <> ''),
	CONSTRAINT "events_revision_check" CHECK ("eventstore"."events"."revision" >= 1),
	CONSTRAINT "events_creator_check" CHECK ("eventstore"."events"."creator" <> ''),
	CONSTRAINT "events_owner_check" CHECK ("eventstore"."events"."owner" <> ''),
	CONSTRAINT "events_payload_check" CHECK (jsonb_typeof("eventstore"."events"."payload") = 'object')
);
--> statement-breakpoint
CREATE TABLE "eventstore"."unique_constraints" (
	"instance_id" text NOT NULL,
	"unique_type" text NOT NULL,
	"unique_field" text NOT NULL,
	CONSTRAINT "unique_constraints_pk" PRIMARY KEY("instance_id","unique_type","unique_field"),
	CONSTRAINT "unique_constraints_instance_id_check" CHECK ("eventstore"."unique_constraints"."instance_id" <> ''),
	CONSTRAINT "unique_constraints_unique_type_check" CHECK ("eventstore"."unique_constraints"."unique_type" <> ''),
	CONSTRAINT "unique_constraints_unique_field_check" CHECK ("eventstore"."unique_constraints"."unique_field" <> '' and "eventstore"."unique_constraints"."unique_field" = lower("eventstore"."unique_constraints"."unique_field" collate "C"))
);
--> statement-breakpoint
CREATE INDEX "events_type_idx" ON "eventstore"."events" USING btree ("instance_id","aggregate_type","event_type","global_sequence");