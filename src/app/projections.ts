import { orgsProjection, usersProjection } from "../users/index.ts";

/** Every projection of the application: the runner, the status and the commands know these. */
export const projections = [orgsProjection, usersProjection];
