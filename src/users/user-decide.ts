import { isDeepStrictEqual } from "node:util";
import { DomainError, notFound } from "../domain/index.ts";
import type { Decision } from "../eventstore/index.ts";
import { decideLifecycle } from "./lifecycle-decide.ts";
import {
  type AddHuman,
  machineOf,
  type ProfileInput,
  profileOf,
  type UserCommand,
} from "./user-command.ts";
import { USERNAME, type UserEvent, user } from "./user-events.ts";
import {
  evolveUser,
  type HumanState,
  type Machine,
  type MachineState,
  type UserState,
} from "./user-state.ts";

export type UserDecision = Decision<UserEvent>;

/**
 * What follows from a command, by the rules of `docs/users.md`. Where all is so already, nothing
 * follows: a command that is sent twice succeeds twice.
 *
 * @throws DomainError `not_found`, `already_exists`, `invalid_state`, `precondition`
 */
export function decideUser(state: UserState | undefined, command: UserCommand): UserDecision {
  if (command.type === "addHuman" || command.type === "addMachine") {
    if (state !== undefined) throw idTaken();
    return command.type === "addHuman" ? addHuman(command) : addMachine(command);
  }
  if (state === undefined || state.hold === "removed") throw notFound("user");
  switch (command.type) {
    case "changeUsername":
      return changeUsername(state, command.username);
    case "changeProfile":
      return changeProfile(human(state), command);
    case "changeEmail":
      return changeEmail(human(state), command.email, command.isVerified);
    case "verifyEmail":
      return only(human(state).isEmailVerified ? [] : [of("user.human.email.verified")]);
    case "changePhone":
      return changePhone(human(state), command.phone, command.isVerified);
    case "verifyPhone":
      return verifyPhone(human(state));
    case "removePhone":
      return only(human(state).phone === undefined ? [] : [of("user.human.phone.removed")]);
    case "changePassword":
      human(state);
      return only([{ type: "user.human.password.changed", payload: { hash: command.hash } }]);
    case "changeMachine":
      return changeMachine(machine(state), command);
    case "setSecret":
      machine(state);
      return only([{ type: "user.machine.secret.set", payload: { hash: command.hash } }]);
    case "removeSecret":
      return only(machine(state).hasSecret ? [of("user.machine.secret.removed")] : []);
    default:
      return decideLifecycle(state, command);
  }
}

export const userDecider = user.decider({
  initial: undefined as UserState | undefined,
  evolve: evolveUser,
  decide: decideUser,
});

function addHuman(command: AddHuman): UserDecision {
  const { username, email, isEmailVerified, phone, passwordHash } = command;
  const events: UserEvent[] = [
    { type: "user.human.added", payload: { username, email, ...profileOf(command) } },
  ];
  if (isEmailVerified) events.push(of("user.human.email.verified"));
  if (phone !== undefined) events.push({ type: "user.human.phone.changed", payload: { phone } });
  if (passwordHash !== undefined) {
    events.push({ type: "user.human.password.changed", payload: { hash: passwordHash } });
  }
  return { events, claim: [{ type: USERNAME, value: username }] };
}

function addMachine({ username, ...rest }: UserCommand & { type: "addMachine" }): UserDecision {
  return {
    events: [{ type: "user.machine.added", payload: { username, ...machineOf(rest) } }],
    claim: [{ type: USERNAME, value: username }],
  };
}

function changeUsername(state: UserState, username: string): UserDecision {
  if (state.username === username) return only([]);
  return {
    events: [{ type: "user.username.changed", payload: { username } }],
    release: [{ type: USERNAME, value: state.username }],
    claim: [{ type: USERNAME, value: username }],
  };
}

function changeProfile({ profile }: HumanState, input: ProfileInput): UserDecision {
  const payload = profileOf(input);
  if (isDeepStrictEqual(payload, profileOf(profile))) return only([]);
  return only([{ type: "user.human.profile.changed", payload }]);
}

function changeEmail(state: HumanState, email: string, isVerified = false): UserDecision {
  const events: UserEvent[] = [];
  const isOther = state.email !== email;
  if (isOther) events.push({ type: "user.human.email.changed", payload: { email } });
  if (isVerified && (isOther || !state.isEmailVerified)) {
    events.push(of("user.human.email.verified"));
  }
  return only(events);
}

function changePhone(state: HumanState, phone: string, isVerified = false): UserDecision {
  const events: UserEvent[] = [];
  const isOther = state.phone !== phone;
  if (isOther) events.push({ type: "user.human.phone.changed", payload: { phone } });
  if (isVerified && (isOther || !state.isPhoneVerified)) {
    events.push(of("user.human.phone.verified"));
  }
  return only(events);
}

function verifyPhone(state: HumanState): UserDecision {
  if (state.phone === undefined) {
    throw new DomainError({
      code: "precondition",
      fact: `The user ${state.username} has no phone number to verify.`,
      remedy: "Set one first.",
    });
  }
  return only(state.isPhoneVerified ? [] : [of("user.human.phone.verified")]);
}

function changeMachine(state: MachineState, input: Machine): UserDecision {
  const payload = machineOf(input);
  if (isDeepStrictEqual(payload, machineOf(state.machine))) return only([]);
  return only([{ type: "user.machine.changed", payload }]);
}

function human(state: UserState): HumanState {
  if (state.kind === "human") return state;
  throw wrongKind(state, "a person");
}

function machine(state: UserState): MachineState {
  if (state.kind === "machine") return state;
  throw wrongKind(state, "a machine");
}

function wrongKind({ kind, username }: UserState, wanted: string): DomainError {
  return new DomainError({
    code: "precondition",
    fact: `The user ${username} is a ${kind === "human" ? "person" : kind}, not ${wanted}.`,
    remedy: "Only name and state are common to both kinds.",
  });
}

function idTaken(): DomainError {
  return new DomainError({
    code: "already_exists",
    fact: "A user has, or had, this id.",
    remedy: "Give another id, or none: one is made.",
  });
}

/** An event that says all by its type. */
function of<T extends BareType>(
  type: T,
): { readonly type: T; readonly payload: Record<string, never> } {
  return { type, payload: {} };
}

type BareType = Extract<UserEvent, { payload: Record<string, never> }>["type"];

function only(events: readonly UserEvent[]): UserDecision {
  return { events };
}
