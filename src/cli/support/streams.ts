/**
 * Keeps a command going when nobody reads its output any more (`migrate 2>&1 | head -3`), or when
 * the disk behind it is full: what it does to the database matters more than what it says.
 *
 * @returns why the results could not be written; undefined where they were, or where a reader had enough
 */
export function survivePipeErrors(): () => string | undefined {
  let lost: string | undefined;
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") lost ??= error.message;
  });
  // Remarks and errors: the exit code tells too.
  process.stderr.on("error", () => undefined);
  return () => lost;
}
