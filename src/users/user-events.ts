import { z } from "zod";
import { accessTokenTypes, genders } from "../db/schema/index.ts";
import { defineAggregate, type EventOf, event } from "../eventstore/index.ts";

// Looser than what commands take (`user-fields.ts`): rules on input change, and what once was
// allowed must be readable for ever.
const text = z.string().min(1);

const nothing = z.object({});

/** A password or secret that was hashed. In no other event is one, and no page or answer shows it. */
const hashed = z.object({ hash: z.string().startsWith("$argon2id$") });

const profile = z.object({
  firstName: text,
  lastName: text,
  nickName: text.optional(),
  displayName: text,
  preferredLanguage: text.optional(),
  gender: z.enum(genders),
});

const machine = z.object({
  name: text,
  description: z.string().optional(),
  accessTokenType: z.enum(accessTokenTypes),
});

/**
 * Everything that can happen to a user, a person or a machine. The organisation that owns it is the
 * `owner` of each event.
 */
export const user = defineAggregate({
  type: "user",
  events: {
    "user.human.added": event(profile.extend({ username: text, email: text })),
    "user.machine.added": event(machine.extend({ username: text })),
    "user.username.changed": event(z.object({ username: text })),
    "user.human.profile.changed": event(profile),
    "user.human.email.changed": event(z.object({ email: text })),
    "user.human.email.verified": event(nothing),
    "user.human.phone.changed": event(z.object({ phone: text })),
    "user.human.phone.verified": event(nothing),
    "user.human.phone.removed": event(nothing),
    "user.human.password.changed": event(hashed),
    "user.machine.changed": event(machine),
    "user.machine.secret.set": event(hashed),
    "user.machine.secret.removed": event(nothing),
    "user.deactivated": event(nothing),
    "user.reactivated": event(nothing),
    "user.locked": event(nothing),
    "user.unlocked": event(nothing),
    "user.removed": event(nothing),
  },
});

export type UserEvent = EventOf<typeof user>;

/** Claim type of user names: one of an instance may have each. */
export const USERNAME = "username";

const SECRET_FIELDS: Readonly<Record<string, readonly string[]>> = {
  "user.human.password.changed": ["hash"],
  "user.machine.secret.set": ["hash"],
};

const MASK = "********";

/** The payload as people may see it: what is secret is masked. */
export function maskedPayload(
  type: string,
  payload: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> {
  const fields = SECRET_FIELDS[type] ?? [];
  return Object.fromEntries(
    Object.entries(payload).map(([name, value]) => [name, fields.includes(name) ? MASK : value]),
  );
}
