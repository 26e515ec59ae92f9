import { z } from "zod";
import { defineAggregate, event } from "../../src/eventstore/index.ts";

/** What is appended: a payload of an ordinary size, about 120 bytes of JSON. */
export const account = defineAggregate({
  type: "account",
  events: {
    "account.credited": event(
      z.object({
        amount: z.number().int(),
        currency: z.string(),
        reference: z.string(),
        note: z.string(),
      }),
    ),
  },
});

export const PAYLOAD = {
  amount: 4_200,
  currency: "EUR",
  reference: "RF18 5390 0754 7034",
  note: "for the keeper of the harbour light",
} as const;

export const CREDITED = { type: "account.credited", payload: PAYLOAD } as const;

export const INSTANCE = "bench";

let accounts = 0;

/** The id of an account that nobody has used. */
export function newId(): string {
  accounts += 1;
  return `account-${process.pid}-${accounts}`;
}

export function at(id: string, instanceId: string = INSTANCE) {
  return account.at({ instanceId, id, owner: "bank", creator: "bench" });
}
