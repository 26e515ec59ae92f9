import { z } from "zod";
import { Problem } from "../../src/db/base/problem.ts";
import { defineAggregate, event } from "../../src/eventstore/index.ts";

/** An aggregate for tests of the event store, which knows none of the application's. */
export const account = defineAggregate({
  type: "account",
  events: {
    "account.opened": event(z.object({ holder: z.string().min(1) })),
    "account.credited": event(
      z.object({ amount: z.number().int().positive(), note: z.string().optional() }),
      {
        revision: 2,
        upcasts: { 1: ({ cents }) => ({ amount: Number(cents) / 100 }) },
      },
    ),
    "account.closed": event(z.object({})),
  },
});

export interface AccountState {
  readonly holder: string;
  readonly balance: number;
}

export type AccountCommand =
  | { readonly kind: "open"; readonly holder: string }
  | { readonly kind: "credit"; readonly amount: number }
  | { readonly kind: "close" };

export const accountDecider = account.decider({
  initial: undefined as AccountState | undefined,
  evolve: (state, { type, payload }) => {
    switch (type) {
      case "account.opened":
        return { holder: payload.holder, balance: 0 };
      case "account.credited":
        return state && { ...state, balance: state.balance + payload.amount };
      case "account.closed":
        return undefined;
    }
  },
  decide: (state, command: AccountCommand) => {
    if (command.kind === "open") {
      const { holder } = command;
      return {
        events: [{ type: "account.opened", payload: { holder } }],
        claim: [{ type: "holder", value: holder }],
      };
    }
    if (state === undefined) {
      throw new Problem({ code: "not_found", fact: "No such account.", remedy: "Open it." });
    }
    if (command.kind === "credit") {
      const { amount } = command;
      return amount === 0 ? [] : [{ type: "account.credited", payload: { amount } }];
    }
    return {
      events: [{ type: "account.closed", payload: {} }],
      release: [{ type: "holder", value: state.holder }],
    };
  },
});

export const opened = (holder = "Ada") =>
  ({ type: "account.opened", payload: { holder } }) as const;
export const credited = (amount: number) =>
  ({ type: "account.credited", payload: { amount } }) as const;
