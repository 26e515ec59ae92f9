import type { ServerErrorFields } from "./failure-text.ts";

/** Something depends on what is to be dropped. */
const STILL_NEEDED = "2BP01";

/** What to do about a server error. */
export function remedyOf(
  file: string,
  { code, where }: Pick<ServerErrorFields, "code" | "where">,
  command: "migrate" | "rollback" = "migrate",
): string {
  const again = `then run \`tidemark ${command}\` again.`;
  if (command === "rollback" && !code.startsWith("53")) {
    const drop =
      code === STILL_NEEDED
        ? " What a repeatable made may be dropped there: the next `tidemark migrate` makes it again."
        : "";
    return (
      `Next: correct ${file} (or the data it met) and its line in tidemark.sum (\`tidemark sum\`), ${again} ` +
      `To leave the migration applied: \`tidemark repair\`.${drop}`
    );
  }
  if (code === ENDS_TRANSACTION || code === IN_TRANSACTION) {
    return `Next: ${withoutTransaction(file, code === IN_TRANSACTION && !!where)}, ${again}`;
  }
  // Class 53: no memory, no disk, no connections. Nothing is wrong with the file.
  return code.startsWith("53")
    ? `Next: free up resources on the server (its message says which), ${again}`
    : `Next: correct ${file} (or the data it met), ${again}`;
}

/** COMMIT or ROLLBACK in a block or a procedure, where the transaction is not its own. */
const ENDS_TRANSACTION = "2D000";
/** What no transaction can hold. */
const IN_TRANSACTION = "25001";

/** @param isNested it is a function's or a block's, which is always in a transaction */
function withoutTransaction(file: string, isNested: boolean): string {
  const line = "`-- tidemark: no-transaction`";
  return isNested
    ? `write it as a statement of its own in ${file}, outside of functions and DO blocks: Tidemark runs it outside transactions (where the grammar cannot tell, with ${line} as the file's first line)`
    : `put the line ${line} first in ${file}, which then runs statement by statement, outside transactions`;
}
