import type { z } from "zod";
import {
  type Call,
  checkInput,
  type Done,
  doneOf,
  executeOptions,
  newId,
  notFound,
} from "../domain/index.ts";
import type { EventStore } from "../eventstore/index.ts";
import { userInputs } from "./command-input.ts";
import { removeLeftover } from "./leftover.ts";
import { orgDecider, refuseNewUsers } from "./org-decide.ts";
import { org } from "./org-events.ts";
import { hashPassword, isPasswordOf, PASSWORD_COST, type PasswordCost } from "./password.ts";
import type { UserCommand } from "./user-command.ts";
import { userDecider } from "./user-decide.ts";
import { type UserEvent, user } from "./user-events.ts";

export interface UserCommandOptions {
  readonly store: EventStore;
  /** Default: `PASSWORD_COST`. Tests take less. */
  readonly passwordCost?: PasswordCost;
}

/** A command on a user that is there. */
export type OnUser = Call & { readonly id: string };

/**
 * The commands on users. Each checks its input, decides on the state, and appends.
 *
 * All throw DomainError, and the store's `concurrency_conflict`, `unique_violation` (a taken user
 * name) and `idempotency_mismatch`.
 */
export function createUserCommands({ store, passwordCost = PASSWORD_COST }: UserCommandOptions) {
  const hash = (text: string) => hashPassword(text, passwordCost);

  const orgOf = (instanceId: string, id: string) => store.load(org, { instanceId, id }, orgDecider);

  async function add(
    call: Call,
    id: string,
    owner: string,
    command: UserCommand,
    request: unknown,
  ) {
    const { instanceId, creator } = call;
    const target = { instanceId, creator, id, owner };
    const executed = await store.execute(userDecider, target, command, {
      ...executeOptions(call, request),
      // A repeated request is answered as the first one was, whatever has become of the organisation.
      check: async () => refuseNewUsers((await orgOf(instanceId, owner)).state, owner),
    });
    const done = doneOf(id, executed);
    if (executed.replayed) return done;
    // It may have been removed meanwhile, and this user not seen by who removed it.
    if ((await orgOf(instanceId, owner)).state?.status !== "removed") return done;
    await removeLeftover(store, { ...target, id: done.id });
    throw notFound("organisation", owner);
  }

  async function change(call: OnUser, command: UserCommand, request: unknown): Promise<Done> {
    const { instanceId, creator, id } = call;
    const { last } = await store.load(user, { instanceId, id }, userDecider);
    if (last === undefined) throw notFound("user", id);
    const target = { instanceId, creator, id, owner: last.owner };
    return doneOf(
      id,
      await store.execute(userDecider, target, command, executeOptions(call, request)),
    );
  }

  /** A command whose input is the event's, as it is. */
  const changing =
    <Schema extends z.ZodObject>(
      schema: Schema,
      commandOf: (input: z.output<Schema>) => UserCommand,
    ) =>
    async (call: OnUser & z.input<Schema>): Promise<Done> => {
      const command = commandOf(checkInput(schema, call));
      return change(call, command, [call.id, command]);
    };
  const bare =
    (type: BareCommand) =>
    (call: OnUser): Promise<Done> =>
      change(call, { type }, [call.id, type]);

  return {
    addHuman: async (call: Call & z.input<typeof userInputs.addHuman>): Promise<Done> => {
      const { id, org, password, ...input } = checkInput(userInputs.addHuman, call);
      const passwordHash = password === undefined ? undefined : await hash(password);
      const command = { type: "addHuman", ...input, passwordHash } as const;
      return add(call, id ?? newId(), org, command, ["addHuman", id, org, input]);
    },
    addMachine: async (call: Call & z.input<typeof userInputs.addMachine>): Promise<Done> => {
      const { id, org, ...input } = checkInput(userInputs.addMachine, call);
      const command = { type: "addMachine", ...input } as const;
      return add(call, id ?? newId(), org, command, ["addMachine", id, org, input]);
    },
    changeUsername: changing(userInputs.changeUsername, (input) => ({
      type: "changeUsername",
      ...input,
    })),
    changeProfile: changing(userInputs.changeProfile, (input) => ({
      type: "changeProfile",
      ...input,
    })),
    changeEmail: changing(userInputs.changeEmail, (input) => ({ type: "changeEmail", ...input })),
    verifyEmail: bare("verifyEmail"),
    changePhone: changing(userInputs.changePhone, (input) => ({ type: "changePhone", ...input })),
    verifyPhone: bare("verifyPhone"),
    removePhone: bare("removePhone"),
    changePassword: async (
      call: OnUser & z.input<typeof userInputs.changePassword>,
    ): Promise<Done> => {
      const { password } = checkInput(userInputs.changePassword, call);
      const command = { type: "changePassword", hash: await hash(password) } as const;
      return change(call, command, [call.id, command.type]);
    },
    changeMachine: changing(userInputs.changeMachine, (input) => ({
      type: "changeMachine",
      ...input,
    })),
    setSecret: async (call: OnUser & z.input<typeof userInputs.setSecret>): Promise<Done> => {
      const { secret } = checkInput(userInputs.setSecret, call);
      const command = { type: "setSecret", hash: await hash(secret) } as const;
      return change(call, command, [call.id, command.type]);
    },
    removeSecret: bare("removeSecret"),
    deactivate: bare("deactivate"),
    reactivate: bare("reactivate"),
    lock: bare("lock"),
    unlock: bare("unlock"),
    remove: bare("remove"),

    /**
     * Whether this is the password of a person, or the secret of a machine. False also for one that
     * does not exist, in less time: to hide who exists is for the caller.
     */
    checkPassword: async (
      ref: { readonly instanceId: string; readonly id: string },
      password: string,
    ): Promise<boolean> => {
      const { state } = await store.load(user, ref, passwordFold);
      return state !== undefined && isPasswordOf(state, password);
    },
  };
}

type BareCommand =
  | "verifyEmail"
  | "verifyPhone"
  | "removePhone"
  | "removeSecret"
  | "deactivate"
  | "reactivate"
  | "lock"
  | "unlock"
  | "remove";

/** The hash that counts now, apart from the state that decisions see. */
const passwordFold = {
  initial: undefined as string | undefined,
  evolve: (hash: string | undefined, event: UserEvent): string | undefined => {
    switch (event.type) {
      case "user.human.password.changed":
      case "user.machine.secret.set":
        return event.payload.hash;
      case "user.machine.secret.removed":
      case "user.removed":
        return undefined;
      default:
        return hash;
    }
  },
};
