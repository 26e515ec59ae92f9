import { createHash, type Hash, hash as hashOnce } from "node:crypto";
import { withoutBom } from "../../base/files.ts";
import type { Checksum, Tag } from "../types.ts";

/**
 * Checksum of a file's text. A byte-order mark and CRLF line ends do not count:
 * they differ between checkouts of one commit.
 */
export function checksumOf(text: string): Checksum {
  return sha256(withoutBom(text).replaceAll("\r\n", "\n"));
}

/** Checksum of a migration with code: of both. */
export function withCode(sql: Checksum, code: Checksum): Checksum {
  return checksumOf(`${sql}\n${code}`);
}

/** Head of an empty history. */
export const EMPTY_HEAD: Checksum = sha256("");

/** The next link of the history's chain: hashes the link before, the tag and the checksum. */
export function linkAfter(link: Checksum, tag: Tag, checksum: Checksum): Checksum {
  return sha256(`${link}\n${tag}\n${checksum}`);
}

/** Head of a list of migrations, in its order. */
export function headOf(
  list: Iterable<{ readonly tag: Tag; readonly checksum: Checksum }>,
): Checksum {
  let head = EMPTY_HEAD;
  for (const { tag, checksum } of list) head = linkAfter(head, tag, checksum);
  return head;
}

/** How far each list was hashed last. */
const hashed = new WeakMap<object, { readonly hash: Hash; readonly count: number }>();

/**
 * Digest of the first statements of a file, which may no longer change once they
 * are applied. Text between statements (comments, blank lines) does not count.
 * Each goes on from the one before: a file may have thousands of segments.
 */
export function prefixOf(
  statements: readonly { readonly text: string }[],
  count: number = statements.length,
): Checksum {
  const before = hashed.get(statements);
  const known = before !== undefined && before.count <= count ? before : undefined;
  const hash = known?.hash ?? createHash("sha256");
  for (const { text } of statements.slice(known?.count ?? 0, count)) {
    const normal = text.replaceAll("\r\n", "\n");
    hash.update(`${normal.length}:${normal}`);
  }
  hashed.set(statements, { hash, count });
  return `sha256:${hash.copy().digest("hex")}`;
}

/** Digest of one statement. */
export function statementDigest(text: string): Checksum {
  return prefixOf([{ text }]);
}

export function isChecksum(text: string): text is Checksum {
  return /^sha256:[0-9a-f]{64}$/.test(text);
}

function sha256(text: string): Checksum {
  return `sha256:${hashOnce("sha256", text)}`;
}
