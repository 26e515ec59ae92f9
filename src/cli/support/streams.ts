/**
 * Keeps a command running when nobody reads its output any more (`migrate 2>&1 | head -3`), or when
 * the disk is full: what it does to the database matters more than what it prints.
 *
 * @returns why the results could not be written; undefined if they were, or if the reader stopped
 */
export function survivePipeErrors(): () => string | undefined {
  let lost: string | undefined;
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") lost ??= error.message;
  });
  // Notes and errors: the exit code says the same.
  process.stderr.on("error", () => undefined);
  return () => lost;
}
