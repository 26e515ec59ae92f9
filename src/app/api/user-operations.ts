import { z } from "zod";
import type { Done } from "../../domain/index.ts";
import { userInputs as inputs } from "../../users/index.ts";
import type { Commands } from "../aggregates.ts";
import { type Api, addChange, addCreation } from "./operation.ts";
import { addList, addOne } from "./read.ts";
import * as schemas from "./user-schemas.ts";

const added = z.discriminatedUnion("type", [
  inputs.addHuman.extend({ type: z.literal("human") }).strict(),
  inputs.addMachine.extend({ type: z.literal("machine") }).strict(),
]);

/** Every command on users as an HTTP operation, and what the projection has of them. */
export function addUserOperations(api: Api): void {
  addList(
    api,
    {
      path: "/users",
      summary: "Users, by id",
      schema: schemas.users,
      query: schemas.userListQuery,
    },
    async ({ users }, { instanceId, after, limit, ...filter }) => {
      const { items, next } = await users.list({ instanceId, after, limit }, filter);
      return { users: items, next };
    },
  );
  addOne(
    api,
    { path: "/users/{id}", summary: "One user", what: "user", schema: schemas.user },
    ({ users }, instanceId, id) => users.one(instanceId, id),
  );
  addCreation(
    api,
    { method: "post", path: "/users", summary: "Add a person or a machine", input: added },
    async ({ users }, call) =>
      call.type === "human" ? users.addHuman(call) : users.addMachine(call),
  );
  const put = <Input extends object>(
    name: string,
    summary: string,
    input: z.ZodType<Input>,
    run: Parameters<typeof addChange<Input>>[2],
  ) => addChange(api, { method: "put", path: `/users/{id}/${name}`, summary, input }, run);
  put("username", "Take another user name", inputs.changeUsername.strict(), ({ users }, call) =>
    users.changeUsername(call),
  );
  put("profile", "Replace a person's profile", inputs.changeProfile.strict(), ({ users }, call) =>
    users.changeProfile(call),
  );
  put("email", "Change the email address", inputs.changeEmail.strict(), ({ users }, call) =>
    users.changeEmail(call),
  );
  put("phone", "Change the phone number", inputs.changePhone.strict(), ({ users }, call) =>
    users.changePhone(call),
  );
  put("password", "Set a password", inputs.changePassword.strict(), ({ users }, call) =>
    users.changePassword(call),
  );
  put("machine", "Change a machine", inputs.changeMachine.strict(), ({ users }, call) =>
    users.changeMachine(call),
  );
  put("secret", "Set a machine's secret", inputs.setSecret.strict(), ({ users }, call) =>
    users.setSecret(call),
  );
  for (const [method, path, summary, name] of BARE) {
    addChange(api, { method, path: `/users/{id}${path}`, summary }, ({ users }, call) =>
      (users[name] satisfies BareCommand)(call),
    );
  }
}

type BareCommand = (call: Parameters<Commands["users"]["lock"]>[0]) => Promise<Done>;

const BARE = [
  ["post", "/email/verify", "Tell that the address was verified", "verifyEmail"],
  ["post", "/phone/verify", "Tell that the number was verified", "verifyPhone"],
  ["delete", "/phone", "Remove the number", "removePhone"],
  ["delete", "/secret", "Remove a machine's secret", "removeSecret"],
  ["post", "/deactivate", "Deactivate", "deactivate"],
  ["post", "/reactivate", "Reactivate", "reactivate"],
  ["post", "/lock", "Lock", "lock"],
  ["post", "/unlock", "Unlock", "unlock"],
  ["delete", "", "Remove; the user name is free, the id never again", "remove"],
] as const;
