import type { accessTokenTypes, genders } from "../db/schema/index.ts";
import type { UserEvent } from "./user-events.ts";

export interface Profile {
  readonly firstName: string;
  readonly lastName: string;
  readonly nickName?: string | undefined;
  readonly displayName: string;
  readonly preferredLanguage?: string | undefined;
  readonly gender: (typeof genders)[number];
}

export interface Machine {
  readonly name: string;
  readonly description?: string | undefined;
  readonly accessTokenType: (typeof accessTokenTypes)[number];
}

interface Common {
  readonly username: string;
  /** What was done to it; see `statusOf`. */
  readonly hold: "none" | "inactive" | "locked" | "removed";
}

export interface HumanState extends Common {
  readonly kind: "human";
  readonly profile: Profile;
  readonly email: string;
  readonly isEmailVerified: boolean;
  /** The last address that was verified, which may no longer be the one in use. */
  readonly verifiedEmail: string | undefined;
  readonly phone: string | undefined;
  readonly isPhoneVerified: boolean;
  readonly verifiedPhone: string | undefined;
  /** The hash itself is never part of a state. */
  readonly hasPassword: boolean;
}

export interface MachineState extends Common {
  readonly kind: "machine";
  readonly machine: Machine;
  readonly hasSecret: boolean;
}

/** What decisions about a user are made from. */
export type UserState = HumanState | MachineState;

export type UserStatus = "initial" | "active" | "inactive" | "locked" | "removed";

/** A person is `initial` until an address was verified once; a machine never is. */
export function statusOf(state: UserState): UserStatus {
  if (state.hold !== "none") return state.hold;
  return state.kind === "human" && state.verifiedEmail === undefined ? "initial" : "active";
}

/** The state after one more event. Throws TypeError for one that cannot follow: the stream is not a user's. */
export function evolveUser(state: UserState | undefined, event: UserEvent): UserState {
  switch (event.type) {
    case "user.human.added": {
      const { username, email, ...profile } = event.payload;
      const contact = { email, isEmailVerified: false, verifiedEmail: undefined };
      const phone = { phone: undefined, isPhoneVerified: false, verifiedPhone: undefined };
      const rest = { hold: "none", hasPassword: false } as const;
      return { kind: "human", username, profile, ...contact, ...phone, ...rest };
    }
    case "user.machine.added": {
      const { username, ...machine } = event.payload;
      return { kind: "machine", username, machine, hold: "none", hasSecret: false };
    }
    case "user.username.changed":
      return { ...added(state, event), username: event.payload.username };
    case "user.deactivated":
      return { ...added(state, event), hold: "inactive" };
    case "user.locked":
      return { ...added(state, event), hold: "locked" };
    case "user.reactivated":
    case "user.unlocked":
      return { ...added(state, event), hold: "none" };
    case "user.removed":
      return { ...added(state, event), hold: "removed" };
    case "user.machine.changed":
      return { ...machineOf(state, event), machine: event.payload };
    case "user.machine.secret.set":
      return { ...machineOf(state, event), hasSecret: true };
    case "user.machine.secret.removed":
      return { ...machineOf(state, event), hasSecret: false };
    default:
      return evolveHuman(humanOf(state, event), event);
  }
}

type HumanChange = Exclude<Extract<UserEvent, { type: `user.human.${string}` }>, AddedEvent>;
type AddedEvent = Extract<UserEvent, { type: `user.${string}.added` }>;

function evolveHuman(state: HumanState, event: HumanChange): HumanState {
  switch (event.type) {
    case "user.human.profile.changed":
      return { ...state, profile: event.payload };
    case "user.human.email.changed":
      return { ...state, email: event.payload.email, isEmailVerified: false };
    case "user.human.email.verified":
      return { ...state, isEmailVerified: true, verifiedEmail: state.email };
    case "user.human.phone.changed":
      return { ...state, phone: event.payload.phone, isPhoneVerified: false };
    case "user.human.phone.verified":
      return { ...state, isPhoneVerified: true, verifiedPhone: state.phone };
    case "user.human.phone.removed":
      return { ...state, phone: undefined, isPhoneVerified: false, verifiedPhone: undefined };
    case "user.human.password.changed":
      return { ...state, hasPassword: true };
  }
}

function added(state: UserState | undefined, event: UserEvent): UserState {
  if (state !== undefined) return state;
  throw new TypeError(`${event.type} stands before the user was added`);
}

function humanOf(state: UserState | undefined, event: UserEvent): HumanState {
  const found = added(state, event);
  if (found.kind === "human") return found;
  throw new TypeError(`${event.type} stands in the stream of a machine`);
}

function machineOf(state: UserState | undefined, event: UserEvent): MachineState {
  const found = added(state, event);
  if (found.kind === "machine") return found;
  throw new TypeError(`${event.type} stands in the stream of a person`);
}
