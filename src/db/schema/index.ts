export {
  events,
  eventstore,
  idempotencyKeys,
  snapshots,
  uniqueConstraints,
} from "./eventstore.ts";
export { orgStates, orgs } from "./orgs.ts";
export { currentStates, failedEvents, projections } from "./projections.ts";
export {
  accessTokenTypes,
  genders,
  userHumans,
  userMachines,
  userNotifications,
  userStates,
  users,
  userTypes,
} from "./users.ts";
