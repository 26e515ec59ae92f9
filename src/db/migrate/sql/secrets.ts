import { byteReader, loadedParser } from "./grammar.ts";

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
  readonly secrets: readonly string[];
}

const MASK = "***";

/** Only what may hold a secret is looked at word by word. */
const MAY_HOLD_SECRETS =
  /password|secret|token|api_?key|connection|mapping|\brole\b|\buser\b|:\/\//i;
const SECRET_NAME = /password|secret|token|api_?key/i;

// In a URL and in a connection string, wherever they stand. All repetitions are bounded: a text of
// megabytes that nearly matches is read once.
const IN_URL =
  /(?<![a-z0-9+.-])([a-z][a-z0-9+.-]{1,20}:\/\/[^\s:/@'"]{0,100}:)([^\s@'"]{1,200})(?=@)/gi;
const IN_CONNECTION_STRING = /(\bpassword\s{0,9}=\s{0,9})('[^']{0,200}'|[^\s'"&;]{1,200})/gi;
// Of a text that the grammar cannot cut, and in comments.
const AFTER_PASSWORD =
  /(\bpassword\s{1,9})((?:e|u&)?'(?:[^']|''){0,500}'?|\$(\w{0,60})\$[\s\S]{0,500}?(?:\$\3\$|$))/gi;
/** SQL that is put together from literals, and goes on with a password. */
const GOES_ON_WITH_PASSWORD = /\bpassword\s{0,9}(?:%[ls]|'?\s{0,9}$)/i;

/**
 * Takes out of SQL what must not be shown or recorded: passwords of roles, connection strings of
 * subscriptions, the options of user mappings, what is assigned to a name like `password`, `secret` or
 * `token`, and passwords in connection strings and URLs that stand in literals; also within the bodies of
 * functions and DO blocks. What a body puts together from variables it does not see.
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
    secrets: spans.flatMap(({ secrets }) => secrets),
  };
}

/** The same of a text that may quote the SQL, and repeat a secret of it. */
export function maskText(text: string, secrets: readonly string[]): string {
  // What is quoted in a message the grammar takes for a name.
  let masked = bare(maskSecrets(text).text.replace(AFTER_PASSWORD, `$1'${MASK}'`));
  for (const secret of secrets) {
    if (secret.length >= SHORTEST_SECRET) masked = masked.replaceAll(secret, MASK);
  }
  return masked;
}

// A shorter one would be found in half of the words of a message.
const SHORTEST_SECRET = 4;

interface Word {
  readonly start: number;
  readonly end: number;
  readonly text: string;
  readonly kind: "literal" | "comment" | "word";
}

/** The words of a statement so far. */
interface Before {
  readonly first: string | undefined;
  readonly second: string | undefined;
  /** The last two; literals are not among them. */
  readonly last: string | undefined;
  readonly lastButOne: string | undefined;
  readonly literal: string | undefined;
  readonly goesOn: boolean;
  readonly all: ReadonlySet<string>;
}

const NOTHING: Omit<Before, "all"> = {
  first: undefined,
  second: undefined,
  last: undefined,
  lastButOne: undefined,
  literal: undefined,
  goesOn: false,
};

function spansOf(sql: string): readonly Span[] {
  const words = wordsOf(sql);
  if (words === undefined) return looseSpans(sql, 0);
  const spans: Span[] = [];
  let all = new Set<string>();
  let before = NOTHING;
  for (const word of words) {
    const text = word.text.toLowerCase();
    if (word.kind === "comment") {
      spans.push(...looseSpans(word.text, word.start));
    } else if (text === ";") {
      all = new Set();
      before = NOTHING;
    } else if (word.kind === "literal") {
      spans.push(...literalSpans(word, { ...before, all }));
      const goesOn = before.goesOn || GOES_ON_WITH_PASSWORD.test(word.text.slice(1, -1));
      before = { ...before, lastButOne: before.last, last: undefined, literal: text, goesOn };
    } else {
      before = {
        ...before,
        ...(before.first === undefined ? { first: text } : { second: before.second ?? text }),
        lastButOne: before.last,
        last: text,
        ...(text !== "," && { literal: undefined }),
      };
      all.add(text);
    }
  }
  return spans;
}

function literalSpans({ start, end, text }: Word, before: Before): readonly Span[] {
  const dollar = /^\$[^$]*\$/.exec(text)?.[0];
  const open = dollar ?? /^[a-z&]*'/i.exec(text)?.[0] ?? "";
  const inner = text.slice(open.length, dollar === undefined ? -1 : -dollar.length);
  if (isSecret(before)) {
    return [{ start, end, text: `'${MASK}${linesOf(text)}'`, secrets: [inner] }];
  }
  if (!MAY_HOLD_SECRETS.test(inner)) return [];
  // SQL within SQL: a body, or a text that is executed.
  const quotes = /^e/i.test(open) ? /''|\\'/g : /''/g;
  const source = dollar === undefined ? inner.replace(quotes, "'") : inner;
  const masked = maskSecrets(source);
  const bared = bare(masked.text);
  if (bared === source) return [];
  const shown = dollar === undefined ? bared.replaceAll("'", "''") : bared;
  return [{ start, end, text: open + shown + (dollar ?? "'"), secrets: masked.secrets }];
}

/** Whether the literal after these words is one. */
function isSecret({ first, second, last, lastButOne, literal, goesOn, all }: Before): boolean {
  if (last === "password" || goesOn) return true;
  if (last === "connection" && all.has("subscription")) return true;
  if (all.has("mapping")) return all.has("options");
  const isAssigned = last === "=" || last === ":=" || last === "to";
  if (isAssigned && lastButOne !== undefined && SECRET_NAME.test(lastButOne)) return true;
  // set_config('app.password', …)
  if (last === "," && literal !== undefined && /(?:password|secret|token|key)'$/.test(literal)) {
    return true;
  }
  // Also where the word before it is misspelled.
  return (first === "create" || first === "alter") && ROLE_WORDS.has(second ?? "");
}

const ROLE_WORDS = new Set(["role", "user", "group"]);

function wordsOf(sql: string): readonly Word[] | undefined {
  const parser = loadedParser();
  if (parser === undefined) return undefined;
  try {
    const at = byteReader(sql);
    return parser.scan(sql).map(({ start, end, text, tokenName }) => ({
      start: at(start),
      end: at(end),
      text,
      kind: kindOf(tokenName, text),
    }));
  } catch {
    // It does not lex, as a text cut in the middle of a literal: what looks like one is taken out.
    return undefined;
  }
}

function kindOf(tokenName: string, text: string): Word["kind"] {
  if (tokenName === "SCONST" || /^(?:u&)?'/i.test(text)) return "literal";
  return text.startsWith("--") || text.startsWith("/*") ? "comment" : "word";
}

function looseSpans(text: string, at: number): readonly Span[] {
  const spans = [
    ...regexSpans(text, AFTER_PASSWORD, `'${MASK}'`),
    ...regexSpans(text, IN_URL, MASK),
    ...regexSpans(text, IN_CONNECTION_STRING, MASK),
  ].toSorted((a, b) => a.start - b.start);
  return spans
    .filter(({ start }, i) => i === 0 || start >= (spans[i - 1]?.end ?? 0))
    .map((span) => ({ ...span, start: span.start + at, end: span.end + at }));
}

function regexSpans(text: string, pattern: RegExp, shown: string): readonly Span[] {
  return [...text.matchAll(pattern)].map(({ index, 1: head = "", 2: secret = "" }) => ({
    start: index + head.length,
    end: index + head.length + secret.length,
    text: shown + linesOf(secret),
    secrets: [secret],
  }));
}

/** Lines keep their numbers. */
function linesOf(text: string): string {
  return "\n".repeat(text.split("\n").length - 1);
}

function bare(text: string): string {
  return text.replace(IN_URL, `$1${MASK}`).replace(IN_CONNECTION_STRING, `$1${MASK}`);
}
