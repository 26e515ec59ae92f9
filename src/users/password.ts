import { hash, verify } from "@node-rs/argon2";

/** How much work a hash takes. */
export interface PasswordCost {
  readonly memoryKiB: number;
  readonly passes: number;
  readonly lanes: number;
}

/**
 * Argon2id with 19 MiB, two passes, one lane: the least that OWASP's Password Storage Cheat Sheet
 * asks for. A hash carries its own parameters, so raising these leaves the old ones valid.
 */
export const PASSWORD_COST: PasswordCost = { memoryKiB: 19_456, passes: 2, lanes: 1 };

// `Algorithm` is a const enum, which cannot be imported from another module.
const ARGON2ID = 2;

/** The hash of a password or secret with a salt of its own, as `$argon2id$v=19$m=…`. Runs beside the event loop. */
export function hashPassword(
  password: string,
  cost: PasswordCost = PASSWORD_COST,
): Promise<string> {
  return hash(password.normalize("NFC"), {
    algorithm: ARGON2ID,
    memoryCost: cost.memoryKiB,
    timeCost: cost.passes,
    parallelism: cost.lanes,
  });
}

// Longer than any that can be set: to hash it would be work for nothing.
const LONGEST = 1_000;

/** Whether the hash is of this password. False for a text that is no hash. */
export async function isPasswordOf(hashed: string, password: string): Promise<boolean> {
  if (!hashed.startsWith("$argon2id$") || password.length > LONGEST) return false;
  return verify(hashed, password.normalize("NFC"));
}
