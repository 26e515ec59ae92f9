import { z } from "zod";
import * as fields from "./user-fields.ts";

const { username, email, phone, password, profile, machine, givenId, orgName, domain } = fields;

/** What each command on a user takes besides the user: also what HTTP takes. */
export const userInputs = {
  addHuman: profile.extend({
    id: givenId.optional(),
    /** The organisation that owns it. */
    org: givenId,
    username,
    email,
    isEmailVerified: z.boolean().optional(),
    phone: phone.optional(),
    password: password.optional(),
  }),
  addMachine: machine.extend({ id: givenId.optional(), org: givenId, username }),
  changeUsername: z.object({ username }),
  changeProfile: profile,
  changeEmail: z.object({ email, isVerified: z.boolean().optional() }),
  changePhone: z.object({ phone, isVerified: z.boolean().optional() }),
  changePassword: z.object({ password }),
  changeMachine: machine,
  setSecret: z.object({ secret: fields.secret }),
};

export const orgInputs = {
  add: z.object({ id: givenId.optional(), name: orgName, domain: domain.optional() }),
  rename: z.object({ name: orgName }),
  setPrimaryDomain: z.object({ domain }),
};
