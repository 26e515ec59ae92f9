import { z } from "zod";
import { defineAggregate, type EventOf, event } from "../eventstore/index.ts";

const text = z.string().min(1);

const nothing = z.object({});

/** Everything that can happen to an organisation. It owns itself: `owner` is its own id. */
export const org = defineAggregate({
  type: "org",
  events: {
    "org.added": event(z.object({ name: text })),
    "org.changed": event(z.object({ name: text })),
    "org.domain.primary.set": event(z.object({ domain: text })),
    "org.deactivated": event(nothing),
    "org.reactivated": event(nothing),
    "org.removed": event(nothing),
  },
});

export type OrgEvent = EventOf<typeof org>;

/** Claim type of organisations' names: one of an instance may have each. */
export const ORG_NAME = "org_name";
