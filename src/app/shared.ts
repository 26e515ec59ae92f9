/** A read that many ask for. */
export interface Shared<T> {
  /** What the read under way gives, or the last one where that ended a moment ago; else a new one. */
  readonly get: () => Promise<T>;
  /** Whoever asks from now on gets what is read from now on. */
  readonly forget: () => void;
}

/** Reads once for all who ask at the same time, and for those who ask within `keepMs` of its end. */
export function shared<T>(read: () => Promise<T>, keepMs: number): Shared<T> {
  let current: { readonly result: Promise<T>; until: number } | undefined;
  return {
    get: () => {
      if (current !== undefined && performance.now() < current.until) return current.result;
      const flight = { result: read(), until: Number.POSITIVE_INFINITY };
      const landed = () => {
        flight.until = performance.now() + keepMs;
      };
      flight.result.then(landed, landed);
      current = flight;
      return flight.result;
    },
    forget: () => {
      current = undefined;
    },
  };
}
