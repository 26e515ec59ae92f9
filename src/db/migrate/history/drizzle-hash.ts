import { createHash } from "node:crypto";
import type { Migration } from "../types.ts";

type Text = Pick<Migration, "sql" | "hasBom">;

/** What drizzle writes into its table for a file: the digest of its text, as it lies there. */
export function drizzleHash({ sql, hasBom }: Text): string {
  return sha256(hasBom ? `\uFEFF${sql}` : sql);
}

/** All that it may have written: a checkout changes line ends, an editor the mark at the start. */
export function drizzleHashes(file: Text): ReadonlySet<string> {
  const lf = file.sql.replaceAll("\r\n", "\n");
  const texts = new Set([file.sql, lf, lf.replaceAll("\n", "\r\n")]);
  return new Set([drizzleHash(file), ...[...texts].map(sha256)]);
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
