/** What a drizzle configuration says that is written in plain literals. */
export interface PlainConfig {
  readonly out: string;
  readonly drizzleTable: { readonly schema?: string; readonly table?: string };
  /** `dbCredentials`, where it is only a `url`. */
  readonly dbCredentials?: { readonly url: string };
}

export interface PlainReading {
  /** Whether `dbCredentials` is wanted too. */
  readonly needs: "folder" | "database";
  readonly env: Readonly<Record<string, string | undefined>>;
}

const PLAIN_OUT = /\bout\s*:\s*(["'])([^"'\\\n]+)\1\s*(?:,|\}|$)/m;
// As a key, and as part of a path (`out: "./db/migrations"`) not.
const MIGRATIONS = /\bmigrations\b(?!["'/])/g;
const PLAIN_MIGRATIONS =
  /\bmigrations\s*:\s*\{\s*((?:(?:table|schema|prefix)\s*:\s*(["'])[^"'\\\n]+\2\s*,?\s*)+)\}/m;
const TIDEMARK = /\btidemark\b(?!["'/])/;
const CREDENTIALS = /\bdbCredentials\b/g;
const PLAIN_CREDENTIALS =
  /\bdbCredentials\s*:\s*\{\s*url\s*:\s*(?:(["'])([^"'\\\n$]+)\1|process\.env\.(\w+)\s*(?:!|as\s+string|(?:\?\?|\|\|)\s*(?:""|''))?)\s*,?\s*\}/;
const POSTGRESQL = /\bdialect\s*:\s*(["'])postgresql\1/;

/**
 * The configuration if the file states it once, in plain literals and outside comments: running a
 * TypeScript file costs more than the rest of a run with nothing pending.
 */
export function plainConfig(
  text: string,
  reading: PlainReading = { needs: "folder", env: {} },
): PlainConfig | undefined {
  const code = withoutComments(text);
  if ((code.match(/\bout\b/g) ?? []).length !== 1) return undefined;
  // A spread, or a function of the project, may set anything.
  if (code.includes("...")) return undefined;
  if (/\bexport\s+default\s+(?!defineConfig\b)\w+\s*\(/.test(code)) return undefined;
  // Settings of ours may hold anything too.
  if (TIDEMARK.test(code)) return undefined;
  const out = PLAIN_OUT.exec(code)?.[2];
  if (out === undefined) return undefined;
  const drizzleTable = plainTable(code);
  if (drizzleTable === undefined) return undefined;
  if (reading.needs === "folder" || !code.match(CREDENTIALS)) return { out, drizzleTable };
  const url = plainUrl(code, reading.env);
  return url === undefined ? undefined : { out, drizzleTable, dbCredentials: { url } };
}

function plainTable(code: string): PlainConfig["drizzleTable"] | undefined {
  const named = code.match(MIGRATIONS) ?? [];
  if (named.length === 0) return {};
  const settings = PLAIN_MIGRATIONS.exec(code)?.[1];
  if (named.length > 1 || settings === undefined) return undefined;
  const value = (key: string) => new RegExp(`\\b${key}\\s*:\\s*(["'])(.+?)\\1`).exec(settings)?.[2];
  const [schema, table] = [value("schema"), value("table")];
  return { ...(schema !== undefined && { schema }), ...(table !== undefined && { table }) };
}

/** A literal, or a variable that is set: one that is not may be set by what the file imports. */
function plainUrl(code: string, env: PlainReading["env"]): string | undefined {
  if ((code.match(CREDENTIALS) ?? []).length > 1 || /\bdriver\b/.test(code)) return undefined;
  if (!POSTGRESQL.test(code)) return undefined;
  const [, , literal, name = ""] = PLAIN_CREDENTIALS.exec(code) ?? [];
  return literal ?? (env[name] || undefined);
}

// Strings come first: a glob such as "src/**/*.ts" holds what would start a comment.
const TOKENS =
  /"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`|\/\*[\s\S]*?\*\/|\/\/[^\n]*/g;

/** A program's text with its comments blanked out, and its strings as they are. */
export function withoutComments(text: string): string {
  return text.replace(TOKENS, (token) => (token.startsWith("/") ? " " : token));
}
