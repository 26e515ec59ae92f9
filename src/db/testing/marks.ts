import { createHash, randomBytes } from "node:crypto";

/** What a database of ours is for: its name says it. A `draft` is a template in the making. */
export type Purpose = "template" | "draft" | "test";

/**
 * What the comment on a database of ours says. What lacks it, or was renamed since, is not
 * ours and never dropped.
 */
export interface Mark {
  readonly purpose: Purpose;
  /** When it was made; of a template, when it was last used. Seconds since 1970, server's clock. */
  readonly atS: number;
  /** Database whose advisory lock its maker held. */
  readonly lockedIn: string;
}

const PREFIXES: Readonly<Record<Purpose, string>> = {
  template: "tidemark_template_",
  draft: "tidemark_draft_",
  test: "tidemark_test_",
};

/** What all names begin with, as a pattern of `like`. */
export const NAME_PATTERN = "tidemark\\_%";

/**
 * Names a template by what is in it and whose it is: one history in two checkouts, or in
 * two projects, makes one template, and another role's could not be used.
 */
export function templateKey(fingerprint: string, role: string): string {
  return createHash("sha256").update(`${fingerprint}\n${role}`).digest("hex").slice(0, 32);
}

export function templateName(key: string): string {
  return `${PREFIXES.template}${key}`;
}

export function newDraftName(key: string): string {
  return `${draftPrefix(key)}${randomBytes(6).toString("hex")}`;
}

/** What the names of all drafts of a template begin with. */
export function draftPrefix(key: string): string {
  return `${PREFIXES.draft}${key}_`;
}

export function newTestName(): string {
  return `${PREFIXES.test}${randomBytes(8).toString("hex")}`;
}

/** The advisory lock of a template's makers: a bigint, as a text. */
export function lockOf(key: string): string {
  return BigInt.asIntN(64, BigInt(`0x${key.slice(0, 16)}`)).toString();
}

export function formatMark({ atS, lockedIn }: Omit<Mark, "purpose">): string {
  return JSON.stringify({ tidemark: "testing", atS, lockedIn });
}

/** The mark of a database; undefined where its name and its comment do not both say that it is ours. */
export function parseMark(name: string, comment: string | null): Mark | undefined {
  const { tidemark, atS, lockedIn } = parseObject(comment);
  const purpose = PURPOSES.find((known) => name.startsWith(PREFIXES[known]));
  if (purpose === undefined || tidemark !== "testing") return undefined;
  if (typeof atS !== "number" || typeof lockedIn !== "string") return undefined;
  return { purpose, atS, lockedIn };
}

const PURPOSES = ["template", "draft", "test"] as const;

const HOUR_S = 3_600;

/** From when on a database counts as left behind, where nobody is connected to it. */
const LIFE_S: Readonly<Record<Purpose, number>> = {
  // Making one again takes well under a second; making none again for a weekend is no gain.
  template: 24 * HOUR_S,
  draft: HOUR_S,
  // Of a test that was killed. A person who looks into one has the day.
  test: 24 * HOUR_S,
};

export function isLeftBehind(mark: Mark, nowS: number): boolean {
  return nowS - mark.atS > LIFE_S[mark.purpose];
}

/** Whether a template's mark should say anew that it is used: not with every use. */
export function isUseOutdated(mark: Mark, nowS: number): boolean {
  return nowS - mark.atS > HOUR_S;
}

function parseObject(text: string | null): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text ?? "null");
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    // Somebody's own comment.
    return {};
  }
}
