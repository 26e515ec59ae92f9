import type { Difference } from "../catalog/index.ts";
import { MigrateError } from "../migrate/index.ts";

/** One `--ignore`: objects that may differ. */
export interface IgnorePattern {
  /** As typed. */
  readonly text: string;
  /** Undefined: of any kind. */
  readonly kind: string | undefined;
  /** Whether it covers an object of that name. */
  readonly isMatch: (name: string) => boolean;
}

// What lies in one of these is ignored with it.
const HOLDERS = "table, foreign table, view, materialized view, type, domain, sequence";

const KINDS = [
  HOLDERS,
  "schema, column, type attribute, constraint, index, trigger, rule, policy, function, procedure",
  "aggregate, extension, collation, event trigger, statistics object, default privileges",
  "publication, published table, published schema, subscription, foreign data wrapper, server",
  "user mapping, database setting, database setting of a role, cast, operator, operator class",
  "operator family, text search configuration, text search dictionary, text search parser",
  "text search template, language, transform",
].join(", ");

/**
 * Parses patterns: `audit.*`, `public.spatial_ref_sys`, `index:public.*_tmp`. `*` stands for any
 * characters, including dots.
 *
 * @throws MigrateError `usage`, with every mistake in one message
 */
export function parseIgnorePatterns(texts: readonly string[]): readonly IgnorePattern[] {
  const problems: string[] = [];
  const patterns = texts.map((text) => parsePattern(text, problems));
  if (problems.length === 0) return patterns;
  throw new MigrateError({
    code: "usage",
    fact: problems.join("\n"),
    outcome: "nothing-compared",
    remedy:
      "A pattern is a name as the list shows it, with * for any characters, optionally after a kind: " +
      "--ignore 'audit.*', --ignore public.spatial_ref_sys, --ignore 'index:public.*_tmp'",
  });
}

function parsePattern(text: string, problems: string[]): IgnorePattern {
  const [, kind, glob = ""] = /^(?:([^"'.():]*):(?!:))?(.*)$/s.exec(text.trim()) ?? [];
  if (glob.trim() === "") {
    problems.push(`--ignore ${JSON.stringify(text)} names no object.`);
  } else if (kind !== undefined && !isAmong(KINDS, kind)) {
    problems.push(
      `--ignore ${JSON.stringify(text)}: there is no kind ${JSON.stringify(kind)}. Kinds are ${KINDS}.`,
    );
  }
  const source = glob.trim().split("*").map(escaped).join(".*");
  const expression = new RegExp(`^${source}$`, "s");
  return { text, kind, isMatch: (name) => expression.test(name) };
}

function escaped(text: string): string {
  return text.replace(/[\\^$.|?+()[\]{}]/g, "\\$&");
}

/** Leaves out what the patterns match, with everything in it; pure. */
export function ignoreDifferences(
  differences: readonly Difference[],
  patterns: readonly IgnorePattern[],
) {
  const used = new Set<IgnorePattern>();
  const rest = differences.filter((difference) => {
    const matching = patterns.filter((pattern) => isMeant(difference, pattern));
    for (const pattern of matching) used.add(pattern);
    return matching.length === 0;
  });
  return {
    differences: rest,
    /** How many were left out. */
    ignored: differences.length - rest.length,
    /** Patterns that matched none. */
    idle: patterns.filter((pattern) => !used.has(pattern)).map(({ text }) => text),
  };
}

function isMeant({ kind, name, within }: Difference, pattern: IgnorePattern): boolean {
  const isOf = (kinds: string) => pattern.kind === undefined || isAmong(kinds, pattern.kind);
  if (isOf(kind) && pattern.isMatch(name)) return true;
  const [schema, ...holders] = within;
  if (schema !== undefined && isOf("schema") && pattern.isMatch(schema)) return true;
  return isOf(HOLDERS) && holders.some(pattern.isMatch);
}

function isAmong(kinds: string, kind: string): boolean {
  return kinds.split(", ").includes(kind);
}
