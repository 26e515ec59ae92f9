import { z } from "@hono/zod-openapi";
import {
  accessTokenTypes,
  genders,
  orgStates,
  userStates,
  userTypes,
} from "../../db/schema/index.ts";

/** What a command is answered with. */
export const done = z
  .object({
    id: z.string(),
    version: z.number().int(),
    position: z.number().int(),
  })
  .openapi("Done", { description: "`position` is what `waitFor` takes." });

const common = {
  id: z.string(),
  version: z.number().int(),
  createdAt: z.iso.datetime(),
  changedAt: z.iso.datetime(),
};

const human = z.object({
  firstName: z.string(),
  lastName: z.string(),
  nickName: z.string().nullable(),
  displayName: z.string(),
  preferredLanguage: z.string().nullable(),
  gender: z.enum(genders),
  email: z.string(),
  isEmailVerified: z.boolean(),
  phone: z.string().nullable(),
  isPhoneVerified: z.boolean(),
  hasPassword: z.boolean(),
});

const machine = z.object({
  name: z.string(),
  description: z.string().nullable(),
  accessTokenType: z.enum(accessTokenTypes),
  hasSecret: z.boolean(),
});

export const user = z
  .object({
    ...common,
    org: z.string(),
    username: z.string(),
    type: z.enum(userTypes),
    state: z.enum(userStates),
    human: human.optional(),
    machine: machine.optional(),
  })
  .openapi("User");

export const org = z
  .object({
    ...common,
    name: z.string(),
    primaryDomain: z.string().nullable(),
    state: z.enum(orgStates),
  })
  .openapi("Organisation");

const next = z
  .string()
  .nullable()
  .openapi({ description: "`after` of the next page; null: the last." });

export const users = z.object({ users: z.array(user), next }).openapi("Users");
export const orgs = z.object({ orgs: z.array(org), next }).openapi("Organisations");

export const problem = z
  .looseObject({
    type: z.string(),
    title: z.string(),
    status: z.number().int(),
    code: z.string(),
    detail: z.string().optional(),
    fields: z.array(z.object({ path: z.string(), message: z.string() })).optional(),
    expected: z.union([z.number().int(), z.string()]).optional(),
    actual: z.number().int().optional(),
    field: z.string().optional(),
    value: z.string().optional(),
  })
  .openapi("Problem", { description: "RFC 9457. Match on `code`." });

export const idParams = z.object({ id: z.string() });

/** Of every request. */
export const instanceHeader = z.object({ "X-Instance": z.string().optional() });

/** Of every command. */
export const commandHeaders = instanceHeader.extend({
  "X-Actor": z.string().optional(),
  "Idempotency-Key": z.string().optional(),
  Prefer: z.string().optional().openapi({ example: "wait=5" }),
});

/** Of every command on what is there. */
export const changeHeaders = commandHeaders.extend({
  "If-Match": z.string().optional().openapi({ example: '"3"' }),
});

const limit = z.coerce.number().int().min(1).max(500).default(100);
const position = z.coerce.number().int().min(0).optional();
const after = z.string().optional();

/** Read your writes: `waitFor` is the `position` of an answer. */
export const oneQuery = z.object({ waitFor: position });
export const listQuery = z.object({ waitFor: position, after, limit });
export const userListQuery = listQuery.extend({
  org: z.string().optional(),
  username: z.string().optional(),
  state: z.enum(userStates).optional(),
  type: z.enum(userTypes).optional(),
});
