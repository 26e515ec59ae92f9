/** One read serves all simultaneous calls, and those within `keepMs` of its end. */
export function shared<T>(read: () => Promise<T>, keepMs: number) {
  let current: { readonly result: Promise<T>; until: number } | undefined;
  return {
    /** The result of the current read, or of the last one if it just ended; else of a new one. */
    get: (): Promise<T> => {
      if (current !== undefined && performance.now() < current.until) return current.result;
      const flight = { result: read(), until: Number.POSITIVE_INFINITY };
      const landed = () => {
        flight.until = performance.now() + keepMs;
      };
      flight.result.then(landed, landed);
      current = flight;
      return flight.result;
    },
    /** Calls from now on get what is read from now on. */
    forget: (): void => {
      current = undefined;
    },
  };
}
