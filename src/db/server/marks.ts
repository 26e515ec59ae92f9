import { createHash, randomBytes } from "node:crypto";

/** What a database of ours is for: its name says it. A `draft` is a template in the making. */
export type Purpose = "template" | "draft" | "test" | "scratch";

/**
 * What marks a database as ours: its name, and the comment on it; of a scratch database the name
 * alone. What lacks the mark, or was renamed since, is not ours and is never dropped.
 */
export interface Mark {
  readonly purpose: Purpose;
  /** When it was made; of a template, when it was last used. Seconds since 1970, server's clock. */
  readonly atS: number;
  /** Database whose advisory lock its maker held; none of a scratch database. */
  readonly lockedIn?: string;
}

const PREFIXES: Readonly<Record<Purpose, string>> = {
  template: "tidemark_template_",
  draft: "tidemark_draft_",
  test: "tidemark_test_",
  scratch: "tidemark_scratch_",
};

/** The beginning of all names, as a pattern for `like`. */
export const NAME_PATTERN = "tidemark\\_%";

/**
 * Identifies a template by what is in it and who owns it: the same history in two checkouts, or in
 * two projects, shares one template; another role's template could not be used.
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

/** The beginning of the names of all drafts of a template. */
export function draftPrefix(key: string): string {
  return `${PREFIXES.draft}${key}_`;
}

export function newTestName(): string {
  return `${PREFIXES.test}${randomBytes(8).toString("hex")}`;
}

/** The name says when it was made, so it needs no comment. @param nowS the server's clock */
export function newScratchName(nowS: number): string {
  return `${PREFIXES.scratch}${nowS.toString(16)}_${randomBytes(6).toString("hex")}`;
}

const SCRATCH_NAME = /^tidemark_scratch_([0-9a-f]{8})_[0-9a-f]{12}$/;

/** The advisory lock of a template's makers: a bigint, as text. */
export function lockOf(key: string): string {
  return BigInt.asIntN(64, BigInt(`0x${key.slice(0, 16)}`)).toString();
}

export function formatMark({ atS, lockedIn }: Required<Omit<Mark, "purpose">>): string {
  return JSON.stringify({ tidemark: "testing", atS, lockedIn });
}

/** The mark of a database; undefined where name and comment do not show that it is ours. */
export function parseMark(name: string, comment: string | null): Mark | undefined {
  const [, madeAt] = SCRATCH_NAME.exec(name) ?? [];
  if (madeAt !== undefined) return { purpose: "scratch", atS: Number.parseInt(madeAt, 16) };
  const { tidemark, atS, lockedIn } = parseObject(comment);
  const purpose = PURPOSES.find((known) => name.startsWith(PREFIXES[known]));
  if (purpose === undefined || tidemark !== "testing") return undefined;
  if (typeof atS !== "number" || typeof lockedIn !== "string") return undefined;
  return { purpose, atS, lockedIn };
}

const PURPOSES = ["template", "draft", "test"] as const;

const HOUR_S = 3_600;

/** The age at which a database counts as left behind, where nobody is connected to it. */
const LIFE_S: Readonly<Record<Purpose, number>> = {
  // Making one again takes well under a second: keeping it over a weekend gains nothing.
  template: 24 * HOUR_S,
  draft: HOUR_S,
  // Of a test that was killed. Somebody who wants to look into one has a day for it.
  test: 24 * HOUR_S,
  scratch: HOUR_S,
};

export function isLeftBehind(mark: Mark, nowS: number): boolean {
  return nowS - mark.atS > LIFE_S[mark.purpose];
}

/** Whether a template's mark should be renewed: not at every use. */
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
