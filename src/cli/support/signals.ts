// npm forwards a Ctrl-C that the terminal has already sent to the whole group:
// the same signal within this time counts once.
const SAME_SIGNAL_MS = 500;

const EXIT_CODES = { SIGINT: 130, SIGTERM: 143, SIGHUP: 143 } as const;

export interface Interrupts {
  readonly signal: AbortSignal;
  /** Exit code for the signal that came; undefined if none did. */
  readonly exitCode: () => number | undefined;
}

/**
 * Turns SIGINT, SIGTERM and SIGHUP (closed terminal) into an abort. A second one
 * ends the process at once: the server then rolls back by itself.
 */
export function watchSignals(): Interrupts {
  const controller = new AbortController();
  let first: { readonly code: number; readonly at: number } | undefined;
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(name, () => {
      const now = performance.now();
      if (first === undefined) {
        first = { code: EXIT_CODES[name], at: now };
        controller.abort();
      } else if (now - first.at > SAME_SIGNAL_MS) {
        process.exit(first.code);
      }
    });
  }
  return { signal: controller.signal, exitCode: () => first?.code };
}
