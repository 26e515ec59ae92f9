export { orgInputs, userInputs } from "./command-input.ts";
export { createOrgCommands } from "./org-commands.ts";
export { ORG_NAME, org } from "./org-events.ts";
export { orgsProjection } from "./orgs-projection.ts";
export {
  createOrgReads,
  createUserReads,
  type EventView,
  type ReadOptions,
  type UserView,
} from "./reads.ts";
export { createUserCommands, type UserCommandOptions } from "./user-commands.ts";
export { maskedPayload, USERNAME, user } from "./user-events.ts";
export { usersProjection } from "./users-projection.ts";
