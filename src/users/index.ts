import { createOrgCommands } from "./org-commands.ts";
import { createUserCommands, type UserCommandOptions } from "./user-commands.ts";

export { orgInputs, userInputs } from "./command-input.ts";
export type { OrgCommands } from "./org-commands.ts";
export { ORG_NAME, org } from "./org-events.ts";
export { orgsProjection } from "./orgs-projection.ts";
export { createReads, type EventView, type OrgView, type Reads, type UserView } from "./reads.ts";
export type { UserCommands } from "./user-commands.ts";
export { maskedPayload, USERNAME, user } from "./user-events.ts";
export { usersProjection } from "./users-projection.ts";

export type Commands = ReturnType<typeof createCommands>;

/** Every command on users and organisations. */
export function createCommands(options: UserCommandOptions) {
  return { users: createUserCommands(options), orgs: createOrgCommands(options) };
}
