import type { DatabasePool } from "../db/pool/index.ts";
import type { EventStore } from "../eventstore/index.ts";
import type { Projection } from "../projections/index.ts";
import {
  createOrgCommands,
  createOrgReads,
  createUserCommands,
  createUserReads,
  orgsProjection,
  usersProjection,
} from "../users/index.ts";

/** Every projection of the application: the runner, the status and the commands know these. */
export const projections: readonly Projection[] = [
  // users:start
  orgsProjection,
  usersProjection,
  // users:end
];

export type Commands = ReturnType<typeof createCommands>;
export type Reads = ReturnType<typeof createReads>;

/** Every command of the application, by aggregate. */
export function createCommands(options: { readonly store: EventStore }) {
  return {
    // users:start
    users: createUserCommands(options),
    orgs: createOrgCommands(options),
    // users:end
  };
}

/** What HTTP and pages read, by aggregate. */
export function createReads(options: { readonly pool: DatabasePool; readonly store: EventStore }) {
  return {
    // users:start
    users: createUserReads(options),
    orgs: createOrgReads(options),
    // users:end
  };
}
