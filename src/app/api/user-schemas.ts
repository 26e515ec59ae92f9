import { z } from "@hono/zod-openapi";
import {
  accessTokenTypes,
  genders,
  orgStates,
  userStates,
  userTypes,
} from "../../db/schema/index.ts";
import { listQuery, next } from "./schemas.ts";

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

export const users = z.object({ users: z.array(user), next }).openapi("Users");
export const orgs = z.object({ orgs: z.array(org), next }).openapi("Organisations");

export const userListQuery = listQuery.extend({
  org: z.string().optional(),
  username: z.string().optional(),
  state: z.enum(userStates).optional(),
  type: z.enum(userTypes).optional(),
});
