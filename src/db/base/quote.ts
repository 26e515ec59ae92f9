/** An identifier, quoted for SQL whatever it holds. */
export function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** An identifier as people write it: quoted only where SQL needs it. */
export function quotedIfNeeded(name: string): string {
  return /^[a-z_][a-z0-9_$]*$/.test(name) ? name : identifier(name);
}

/**
 * A text as an SQL literal. Sessions run with `standard_conforming_strings = on`,
 * where a backslash is a character like any other. A NUL, which no SQL text can
 * hold, becomes U+FFFD.
 */
export function literal(value: string | null): string {
  if (value === null) return "null";
  return `'${value.replaceAll("\0", "\uFFFD").replaceAll("'", "''")}'`;
}

/** A dollar quote that the text does not hold, to write a function's body between. */
export function dollarQuote(text: string): string {
  let tag = "body";
  while (text.includes(`$${tag}$`)) tag += "_";
  return `$${tag}$`;
}

/** A value as a `jsonb` literal. */
export function jsonLiteral(value: unknown): string {
  // jsonb refuses the escape \u0000 and unpaired surrogates.
  const wellFormed = JSON.stringify(value, (_key, item) =>
    typeof item === "string" ? item.toWellFormed().replaceAll("\0", "\uFFFD") : item,
  );
  return `${literal(wellFormed)}::pg_catalog.jsonb`;
}

/** A whole number as SQL; anything else is a programming error. */
export function integer(value: number): string {
  if (!Number.isSafeInteger(value)) throw new TypeError(`not a whole number: ${value}`);
  return String(value);
}
