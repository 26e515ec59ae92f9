import {
  createOrgCommands,
  createOrgReads,
  createUserCommands,
  createUserReads,
  orgsProjection,
  type ReadOptions,
  type UserCommandOptions,
  usersProjection,
} from "../users/index.ts";

/** Every projection of the application: the runner, the status and the commands know these. */
export const projections = [orgsProjection, usersProjection];

export type Commands = ReturnType<typeof createCommands>;
export type Reads = ReturnType<typeof createReads>;

/** Every command of the application, by aggregate. */
export function createCommands(options: UserCommandOptions) {
  return {
    users: createUserCommands(options),
    orgs: createOrgCommands(options),
  };
}

/** What HTTP and pages read, by aggregate. */
export function createReads(options: ReadOptions) {
  return {
    users: createUserReads(options),
    orgs: createOrgReads(options),
  };
}
