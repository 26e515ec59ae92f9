import { DatabaseError } from "./database-error.ts";

export type Slots = ReturnType<typeof createSlots>;

interface Waiter {
  readonly admit: () => void;
  readonly refuse: (error: DatabaseError) => void;
}

/** A counting lock: first come, first served. */
export function createSlots(count: number, timeoutMs: number) {
  const waiting = new Set<Waiter>();
  let used = 0;
  let closedBecause: (() => DatabaseError) | undefined;
  let onEmpty: (() => void) | undefined;

  /** Undefined if one was free, else waits. Rejects with `pool_exhausted` after the timeout, `closed` once closed. */
  function take(): Promise<void> | undefined {
    if (closedBecause !== undefined) return Promise.reject(closedBecause());
    if (used < count) {
      used += 1;
      return undefined;
    }
    return new Promise((resolve, reject) => {
      const leave = () => {
        clearTimeout(late);
        waiting.delete(waiter);
      };
      const waiter: Waiter = {
        admit: () => {
          leave();
          resolve();
        },
        refuse: (error) => {
          leave();
          reject(error);
        },
      };
      const late = setTimeout(() => waiter.refuse(exhausted(count, timeoutMs)), timeoutMs);
      waiting.add(waiter);
    });
  }

  function give(): void {
    const [next] = waiting;
    // The slot is handed over directly, so that no newcomer overtakes a waiter.
    if (next !== undefined) {
      next.admit();
      return;
    }
    used -= 1;
    if (used === 0) onEmpty?.();
  }

  /** Refuses those who wait and those to come; resolves when the last slot was given back. */
  async function close(reason: () => DatabaseError): Promise<void> {
    closedBecause = reason;
    for (const waiter of waiting) waiter.refuse(reason());
    if (used === 0) return;
    await new Promise<void>((resolve) => {
      onEmpty = resolve;
    });
  }

  return { take, give, close };
}

function exhausted(count: number, timeoutMs: number): DatabaseError {
  return new DatabaseError({
    code: "pool_exhausted",
    fact: `All ${count} connections of the pool stayed in use for ${timeoutMs} ms.`,
    remedy:
      "Use the transaction's own handle inside a transaction, shorten the transactions, or raise `max`.",
  });
}
