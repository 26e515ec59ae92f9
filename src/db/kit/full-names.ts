import { identifier } from "../base/quote.ts";
import { MigrateError } from "../migrate/index.ts";
import type { FullName } from "./model.ts";

const PUBLIC = "public";
const PLAIN = /^[\p{L}_][\p{L}\p{N}_]*$/u;
/** Means the same to every shell. */
const SHELL_SAFE = /^[\w.=,:/@%+-]+$/;

/** A name as typed in an option: without `public`, quoted where needed. */
export function nameText(name: FullName): string {
  const parts = name.length > 1 && name[0] === PUBLIC ? name.slice(1) : name;
  return parts.map(partText).join(".");
}

export function partText(part: string): string {
  return PLAIN.test(part) ? part : identifier(part);
}

/** An argument as pasted into a shell. */
export function shellText(argument: string): string {
  return SHELL_SAFE.test(argument) ? argument : `'${argument.replaceAll("'", `'\\''`)}'`;
}

/**
 * Parses `a.b=c.d`, each part bare or quoted as in SQL; a bare one keeps its capitals. Undefined
 * where it is not two names.
 */
export function parsePair(text: string): readonly [FullName, FullName] | undefined {
  const sides: string[][] = [[]];
  const token = /"((?:[^"]|"")+)"|([^".=]+)/y;
  let at = 0;
  while (true) {
    token.lastIndex = at;
    const match = token.exec(text);
    if (match === null) return undefined;
    sides.at(-1)?.push(match[1]?.replaceAll('""', '"') ?? (match[2] as string).trim());
    at = token.lastIndex;
    if (at === text.length) break;
    if (text[at] === "=") sides.push([]);
    else if (text[at] !== ".") return undefined;
    at += 1;
  }
  const [from, to, ...more] = sides;
  if (from === undefined || to === undefined || more.length > 0) return undefined;
  return [...from, ...to].includes("") ? undefined : [from, to];
}

/** The full name of an object in a schema. */
export function inSchema(parts: FullName, schema = PUBLIC): FullName {
  return [schema || PUBLIC, ...parts];
}

export function sameName(a: FullName, b: FullName): boolean {
  return a.length === b.length && a.every((part, i) => part === b[i]);
}

/** It becomes part of file names: no path, nothing that is special to a shell or a URL. */
const NAME = /^[\p{L}\p{N}_][\p{L}\p{N}_-]{0,99}$/u;

/** @throws MigrateError `usage` where it cannot be a migration's name */
export function checkName(name: string | undefined): void {
  if (name === undefined || NAME.test(name)) return;
  throw new MigrateError({
    code: "usage",
    fact: `${JSON.stringify(name)} cannot be a migration's name: it becomes part of its file's name.`,
    outcome: "nothing-run",
    remedy: "Use letters, digits, _ and -, as in add_orgs.",
  });
}
