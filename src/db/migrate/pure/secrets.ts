import { loadedParser } from "./grammar.ts";

/** A text without its secrets. */
export interface Masked {
  readonly text: string;
  /** Where a UTF-16 offset of the text as it was lies now. */
  readonly offsetOf: (offset: number) => number;
  /** What was taken out, without its quotes. */
  readonly secrets: readonly string[];
}

interface Span {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

const MASK = "***";

/** Only what may hold a secret is looked at word by word. */
const MAY_HOLD_SECRETS = /password|connection|mapping|\brole\b|\buser\b|:\/\//i;

// In a URL and in a connection string, wherever they stand.
const IN_URL = /([a-z][a-z0-9+.-]*:\/\/[^\s:/@'"]*:)([^\s@'"]+)(?=@)/gi;
const IN_CONNECTION_STRING = /(\bpassword\s*=\s*)('[^']*'|[^\s'"&;]+)/gi;
// Of a text that the grammar cannot cut.
const AFTER_PASSWORD = /(\bpassword\s+)(e?'(?:[^']|'')*'?)/gi;

/**
 * Takes out of SQL what must not be shown or recorded: passwords of roles, connection strings of
 * subscriptions, the options of user mappings, and passwords in connection strings and URLs that stand in
 * literals; also within the bodies of functions and DO blocks.
 */
export function maskSecrets(sql: string): Masked {
  if (!MAY_HOLD_SECRETS.test(sql)) return { text: sql, offsetOf: (offset) => offset, secrets: [] };
  const spans = spansOf(sql);
  let text = "";
  let from = 0;
  for (const { start, end, text: shown } of spans) {
    text += sql.slice(from, start) + shown;
    from = end;
  }
  return {
    text: text + sql.slice(from),
    offsetOf: (offset) => {
      let moved = offset;
      for (const { start, end, text: shown } of spans) {
        if (offset >= end) moved += shown.length - (end - start);
        else if (offset > start) moved += Math.min(0, start + shown.length - offset);
      }
      return moved;
    },
    secrets: spans.flatMap(({ start, end }) => secretsOf(sql.slice(start, end))),
  };
}

/** The same of a text that may quote the SQL, and repeat a secret of it. */
export function maskText(text: string, secrets: readonly string[]): string {
  // What is quoted in a message the grammar takes for a name.
  let masked = bare(maskSecrets(text).text.replace(AFTER_PASSWORD, `$1'${MASK}'`));
  for (const secret of secrets) masked = masked.replaceAll(secret, MASK);
  return masked;
}

// A shorter one would be found in half of the words of a message.
const SHORTEST_SECRET = 4;

function secretsOf(literal: string): readonly string[] {
  const inner = /^[a-z]?'(.*)'$/is.exec(literal)?.[1] ?? literal;
  // A body is not one: what was masked in it is found where it is quoted.
  return inner.length >= SHORTEST_SECRET && !literal.startsWith("$") ? [inner] : [];
}

interface Word {
  readonly start: number;
  readonly end: number;
  readonly text: string;
  readonly isLiteral: boolean;
}

/** The words of a statement so far. */
interface Before {
  readonly first: string | undefined;
  readonly second: string | undefined;
  readonly last: string | undefined;
  readonly all: ReadonlySet<string>;
}

function spansOf(sql: string): readonly Span[] {
  const words = wordsOf(sql);
  if (words === undefined) return [...regexSpans(sql, AFTER_PASSWORD, "quoted"), ...bareSpans(sql)];
  const spans: Span[] = [];
  let all = new Set<string>();
  let first: string | undefined;
  let second: string | undefined;
  let last: string | undefined;
  for (const word of words) {
    if (word.text === ";") {
      all = new Set();
      first = undefined;
      second = undefined;
      last = undefined;
      continue;
    }
    if (word.isLiteral) {
      spans.push(...literalSpans(word, { first, second, last, all }));
      last = undefined;
      continue;
    }
    last = word.text.toLowerCase();
    if (first === undefined) first = last;
    else second ??= last;
    all.add(last);
  }
  return spans;
}

function literalSpans({ start, end, text }: Word, before: Before): readonly Span[] {
  if (isSecret(before)) {
    // Lines keep their numbers.
    const lines = "\n".repeat(text.split("\n").length - 1);
    return [{ start, end, text: `'${MASK}${lines}'` }];
  }
  const dollar = /^\$[^$]*\$/.exec(text)?.[0];
  const open = dollar ?? /^[a-z&]*'/i.exec(text)?.[0] ?? "";
  const inner = text.slice(open.length, dollar === undefined ? -1 : -dollar.length);
  if (!MAY_HOLD_SECRETS.test(inner)) return [];
  // SQL within SQL: a body, or a text that is executed.
  const source = dollar === undefined ? inner.replaceAll("''", "'") : inner;
  const { text: masked } = maskSecrets(source);
  const shown = bare(dollar === undefined ? masked.replaceAll("'", "''") : masked);
  if (shown === inner) return [];
  return [{ start, end, text: open + shown + (dollar ?? "'") }];
}

/** Whether the literal after these words is one. */
function isSecret({ first, second, last, all }: Before): boolean {
  if (last === "password") return true;
  if (last === "connection" && all.has("subscription")) return true;
  if (all.has("mapping")) return all.has("options");
  // Also where the word before it is misspelled.
  return (first === "create" || first === "alter") && ROLE_WORDS.has(second ?? "");
}

const ROLE_WORDS = new Set(["role", "user", "group"]);

function wordsOf(sql: string): readonly Word[] | undefined {
  const parser = loadedParser();
  if (parser === undefined) return undefined;
  try {
    const bytes = Buffer.from(sql);
    const isAscii = bytes.length === sql.length;
    // Words come in order: count on from the one before.
    let lastByte = 0;
    let lastOffset = 0;
    const at = (byte: number) => {
      if (isAscii) return byte;
      lastOffset += bytes.toString("utf8", lastByte, byte).length;
      lastByte = byte;
      return lastOffset;
    };
    return parser.scan(sql).map(({ start, end, text, tokenName }) => ({
      start: at(start),
      end: at(end),
      text,
      isLiteral: tokenName === "SCONST",
    }));
  } catch {
    // It does not lex, as a text cut in the middle of a literal: what looks like one is taken out.
    return undefined;
  }
}

function bareSpans(text: string): readonly Span[] {
  return [...regexSpans(text, IN_URL, "bare"), ...regexSpans(text, IN_CONNECTION_STRING, "bare")];
}

function regexSpans(text: string, pattern: RegExp, how: "quoted" | "bare"): readonly Span[] {
  return [...text.matchAll(pattern)].map(({ index, 1: head = "", 2: secret = "" }) => ({
    start: index + head.length,
    end: index + head.length + secret.length,
    text: how === "quoted" ? `'${MASK}'` : MASK,
  }));
}

function bare(text: string): string {
  return text.replace(IN_URL, `$1${MASK}`).replace(IN_CONNECTION_STRING, `$1${MASK}`);
}
