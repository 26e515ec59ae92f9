import { z } from "zod";
import { accessTokenTypes, genders } from "../db/schema/index.ts";
import { isStorable } from "../eventstore/index.ts";

const MOST = 200;

/** No control characters, and no halves of a character: the database cannot store all of those. */
const PRINTABLE = /^[^\p{Cc}\p{Cs}]*$/u;

const UNSTORABLE = "Has a NUL or half of a surrogate pair";

/** A text of a person's: composed, without space around it, 1 to 200 characters. */
const line = z
  .string()
  .trim()
  .normalize("NFC")
  .min(1)
  .max(MOST)
  .regex(PRINTABLE, "Holds control characters");

export const username = line;

export const email = z.email().max(MOST);

/** As in E.164: `+` and 7 to 15 digits. */
export const phone = z.e164();

/** A language tag, as `en` or `de-CH`. */
const language = z.string().regex(/^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$/, "Not a language tag, as en");

/** What people see of a person. */
export const profile = z.object({
  firstName: line,
  lastName: line,
  nickName: line.optional(),
  /** Default: first and last name. */
  displayName: line.optional(),
  preferredLanguage: language.optional(),
  gender: z.enum(genders).default("unspecified"),
});

/** What a machine is. */
export const machine = z.object({
  name: line,
  description: z.string().trim().max(500).regex(PRINTABLE, "Holds control characters").optional(),
  accessTokenType: z.enum(accessTokenTypes).default("bearer"),
});

// NIST SP 800-63B: at least 8 characters, no rules on their kinds. The bound is ours: hashing a
// megabyte is work that anybody could ask for.
export const password = z.string().min(8).max(MOST).refine(isStorable, UNSTORABLE);

/** A machine's secret is drawn by a machine. */
export const secret = z.string().min(24).max(MOST).refine(isStorable, UNSTORABLE);

export const orgName = line;

/** A DNS name, in lower case. */
export const domain = z
  .string()
  .trim()
  .toLowerCase()
  .max(253)
  .regex(
    /^(?=.*\.)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/,
    "Not a domain name",
  );

/** Ids may be given, so that others can name things before they are there. */
export const givenId = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/, "Not 1 to 64 letters, digits, - and _");
