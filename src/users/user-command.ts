import type { LifecycleCommand } from "./lifecycle-decide.ts";
import type { Machine, Profile } from "./user-state.ts";

/** A profile as it is given: who gives no display name gets first and last name. */
export type ProfileInput = Omit<Profile, "displayName"> & {
  readonly displayName?: string | undefined;
};

export interface AddHuman extends ProfileInput {
  readonly type: "addHuman";
  readonly username: string;
  readonly email: string;
  /** Somebody else has checked the address. Default false: the user starts as `initial`. */
  readonly isEmailVerified?: boolean | undefined;
  readonly phone?: string | undefined;
  readonly passwordHash?: string | undefined;
}

/** What can be asked of a user. Hashes are made before: a decision is pure. */
export type UserCommand =
  | AddHuman
  | ({ readonly type: "addMachine"; readonly username: string } & Machine)
  | { readonly type: "changeUsername"; readonly username: string }
  | ({ readonly type: "changeProfile" } & ProfileInput)
  | {
      readonly type: "changeEmail";
      readonly email: string;
      readonly isVerified?: boolean | undefined;
    }
  | { readonly type: "verifyEmail" }
  | {
      readonly type: "changePhone";
      readonly phone: string;
      readonly isVerified?: boolean | undefined;
    }
  | { readonly type: "verifyPhone" }
  | { readonly type: "removePhone" }
  | { readonly type: "changePassword"; readonly hash: string }
  | ({ readonly type: "changeMachine" } & Machine)
  | { readonly type: "setSecret"; readonly hash: string }
  | { readonly type: "removeSecret" }
  | LifecycleCommand;

/** Exactly the event's fields, without those that are not given. */
export function profileOf(input: ProfileInput): Profile {
  const { firstName, lastName, nickName, preferredLanguage, gender } = input;
  return {
    firstName,
    lastName,
    displayName: input.displayName ?? `${firstName} ${lastName}`,
    gender,
    ...(nickName !== undefined && { nickName }),
    ...(preferredLanguage !== undefined && { preferredLanguage }),
  };
}

/** The same for a machine. */
export function machineOf({ name, description, accessTokenType }: Machine): Machine {
  return { name, accessTokenType, ...(description !== undefined && { description }) };
}
