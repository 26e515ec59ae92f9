import { createOrgCommands, createUserCommands, type UserCommandOptions } from "../users/index.ts";

export type Commands = ReturnType<typeof createCommands>;

/** Every command of the application, by aggregate. */
export function createCommands(options: UserCommandOptions) {
  return {
    users: createUserCommands(options),
    orgs: createOrgCommands(options),
  };
}
