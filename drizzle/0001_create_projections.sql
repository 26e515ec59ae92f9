CREATE SCHEMA "projections";
--> statement-breakpoint
CREATE TABLE "projections"."current_states" (
	"instance_id" text NOT NULL,
	"projection_name" text NOT NULL,
	"position" bigint DEFAULT 0 NOT NULL,
	"last_updated" timestamp with time zone DEFAULT now() NOT NULL,
	"aggregate_type" text,
	"aggregate_id" text,
	"sequence" bigint,
	"event_date" timestamp with time zone,
	CONSTRAINT "current_states_pk" PRIMARY KEY("instance_id","projection_name"),
	CONSTRAINT "current_states_instance_id_check" CHECK ("projections"."current_states"."instance_id" <> ''),
	CONSTRAINT "current_states_projection_name_check" CHECK ("projections"."current_states"."projection_name" <> ''),
	CONSTRAINT "current_states_position_check" CHECK ("projections"."current_states"."position" >= 0),
	CONSTRAINT "current_states_sequence_check" CHECK ("projections"."current_states"."sequence" >= 1),
	CONSTRAINT "current_states_last_event_check" CHECK (num_nulls("projections"."current_states"."aggregate_type", "projections"."current_states"."aggregate_id", "projections"."current_states"."sequence", "projections"."current_states"."event_date") in (0, 4))
);
--> statement-breakpoint
CREATE TABLE "projections"."failed_events" (
	"instance_id" text NOT NULL,
	"projection_name" text NOT NULL,
	"aggregate_type" text NOT NULL,
	"aggregate_id" text NOT NULL,
	"failed_sequence" bigint NOT NULL,
	"event_creation_date" timestamp with time zone NOT NULL,
	"failure_count" integer DEFAULT 1 NOT NULL,
	"error" text NOT NULL,
	"last_failed" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "failed_events_pk" PRIMARY KEY("instance_id","projection_name","aggregate_type","aggregate_id","failed_sequence"),
	CONSTRAINT "failed_events_instance_id_check" CHECK ("projections"."failed_events"."instance_id" <> ''),
	CONSTRAINT "failed_events_projection_name_check" CHECK ("projections"."failed_events"."projection_name" <> ''),
	CONSTRAINT "failed_events_aggregate_type_check" CHECK ("projections"."failed_events"."aggregate_type" <> ''),
	CONSTRAINT "failed_events_aggregate_id_check" CHECK ("projections"."failed_events"."aggregate_id" <> ''),
	CONSTRAINT "failed_events_failed_sequence_check" CHECK ("projections"."failed_events"."failed_sequence" >= 1),
	CONSTRAINT "failed_events_failure_count_check" CHECK ("projections"."failed_events"."failure_count" >= 1),
	CONSTRAINT "failed_events_error_check" CHECK ("projections"."failed_events"."error" <> '')
);
--> statement-breakpoint
CREATE TABLE "projections"."orgs" (
	"instance_id" text NOT NULL,
	"id" text NOT NULL,
	"resource_owner" text NOT NULL,
	"name" text NOT NULL,
	"primary_domain" text,
	"state" text NOT NULL,
	"sequence" bigint NOT NULL,
	"creation_date" timestamp with time zone NOT NULL,
	"change_date" timestamp with time zone NOT NULL,
	CONSTRAINT "orgs_pk" PRIMARY KEY("instance_id","id"),
	CONSTRAINT "orgs_instance_id_check" CHECK ("projections"."orgs"."instance_id" <> ''),
	CONSTRAINT "orgs_id_check" CHECK ("projections"."orgs"."id" <> ''),
	CONSTRAINT "orgs_resource_owner_check" CHECK ("projections"."orgs"."resource_owner" <> ''),
	CONSTRAINT "orgs_name_check" CHECK ("projections"."orgs"."name" <> ''),
	CONSTRAINT "orgs_primary_domain_check" CHECK ("projections"."orgs"."primary_domain" <> ''),
	CONSTRAINT "orgs_state_check" CHECK ("projections"."orgs"."state" in ('active', 'inactive', 'removed')),
	CONSTRAINT "orgs_sequence_check" CHECK ("projections"."orgs"."sequence" >= 1)
);
--> statement-breakpoint
CREATE TABLE "projections"."user_humans" (
	"instance_id" text NOT NULL,
	"user_id" text NOT NULL,
	"first_name" text NOT NULL,
	"last_name" text NOT NULL,
	"nick_name" text,
	"display_name" text NOT NULL,
	"preferred_language" text,
	"gender" text DEFAULT 'unspecified' NOT NULL,
	"email" text NOT NULL,
	"is_email_verified" boolean DEFAULT false NOT NULL,
	"phone" text,
	"is_phone_verified" boolean DEFAULT false NOT NULL,
	CONSTRAINT "user_humans_pk" PRIMARY KEY("instance_id","user_id"),
	CONSTRAINT "user_humans_gender_check" CHECK ("projections"."user_humans"."gender" in ('unspecified', 'female', 'male', 'diverse')),
	CONSTRAINT "user_humans_email_check" CHECK ("projections"."user_humans"."email" <> ''),
	CONSTRAINT "user_humans_phone_check" CHECK ("projections"."user_humans"."phone" <> '')
);
--> statement-breakpoint
CREATE TABLE "projections"."user_machines" (
	"instance_id" text NOT NULL,
	"user_id" text NOT NULL,
	"name" text NOT NULL,
	"description" text,
	"has_secret" boolean DEFAULT false NOT NULL,
	"access_token_type" text DEFAULT 'bearer' NOT NULL,
	CONSTRAINT "user_machines_pk" PRIMARY KEY("instance_id","user_id"),
	CONSTRAINT "user_machines_name_check" CHECK ("projections"."user_machines"."name" <> ''),
	CONSTRAINT "user_machines_access_token_type_check" CHECK ("projections"."user_machines"."access_token_type" in ('bearer', 'jwt'))
);
--> statement-breakpoint
CREATE TABLE "projections"."user_notifications" (
	"instance_id" text NOT NULL,
	"user_id" text NOT NULL,
	"last_email" text,
	"verified_email" text,
	"last_phone" text,
	"verified_phone" text,
	"password_set" boolean DEFAULT false NOT NULL,
	CONSTRAINT "user_notifications_pk" PRIMARY KEY("instance_id","user_id"),
	CONSTRAINT "user_notifications_last_email_check" CHECK ("projections"."user_notifications"."last_email" <> ''),
	CONSTRAINT "user_notifications_verified_email_check" CHECK ("projections"."user_notifications"."verified_email" <> ''),
	CONSTRAINT "user_notifications_last_phone_check" CHECK ("projections"."user_notifications"."last_phone" <> ''),
	CONSTRAINT "user_notifications_verified_phone_check" CHECK ("projections"."user_notifications"."verified_phone" <> '')
);
--> statement-breakpoint
CREATE TABLE "projections"."users" (
	"instance_id" text NOT NULL,
	"id" text NOT NULL,
	"resource_owner" text NOT NULL,
	"username" text NOT NULL,
	"state" text NOT NULL,
	"type" text NOT NULL,
	"sequence" bigint NOT NULL,
	"creation_date" timestamp with time zone NOT NULL,
	"change_date" timestamp with time zone NOT NULL,
	CONSTRAINT "users_pk" PRIMARY KEY("instance_id","id"),
	CONSTRAINT "users_instance_id_check" CHECK ("projections"."users"."instance_id" <> ''),
	CONSTRAINT "users_id_check" CHECK ("projections"."users"."id" <> ''),
	CONSTRAINT "users_resource_owner_check" CHECK ("projections"."users"."resource_owner" <> ''),
	CONSTRAINT "users_username_check" CHECK ("projections"."users"."username" <> ''),
	CONSTRAINT "users_state_check" CHECK ("projections"."users"."state" in ('initial', 'active', 'inactive', 'locked')),
	CONSTRAINT "users_type_check" CHECK ("projections"."users"."type" in ('human', 'machine')),
	CONSTRAINT "users_sequence_check" CHECK ("projections"."users"."sequence" >= 1)
);
--> statement-breakpoint
ALTER TABLE "projections"."user_humans" ADD CONSTRAINT "user_humans_users_fk" FOREIGN KEY ("instance_id","user_id") REFERENCES "projections"."users"("instance_id","id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "projections"."user_machines" ADD CONSTRAINT "user_machines_users_fk" FOREIGN KEY ("instance_id","user_id") REFERENCES "projections"."users"("instance_id","id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "projections"."user_notifications" ADD CONSTRAINT "user_notifications_users_fk" FOREIGN KEY ("instance_id","user_id") REFERENCES "projections"."users"("instance_id","id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "orgs_name_idx" ON "projections"."orgs" USING btree ("instance_id","name");--> statement-breakpoint
CREATE INDEX "orgs_primary_domain_idx" ON "projections"."orgs" USING btree ("instance_id","primary_domain");--> statement-breakpoint
CREATE INDEX "user_notifications_verified_email_idx" ON "projections"."user_notifications" USING btree ("instance_id","verified_email");--> statement-breakpoint
CREATE INDEX "users_username_idx" ON "projections"."users" USING btree ("instance_id","username");--> statement-breakpoint
CREATE INDEX "users_resource_owner_idx" ON "projections"."users" USING btree ("instance_id","resource_owner");