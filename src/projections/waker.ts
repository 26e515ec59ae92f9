/** Lets one loop sleep, and any number of calls wake it: those before it sleeps count as one. */
export interface Waker {
  wake(): void;
  /** Resolves after that time, or as soon as it is woken. */
  sleep(ms: number): Promise<void>;
}

export function createWaker(): Waker {
  let isWoken = false;
  let rouse: (() => void) | undefined;
  return {
    wake: () => {
      isWoken = true;
      rouse?.();
    },
    sleep: async (ms) => {
      if (!isWoken) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, ms);
          rouse = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      }
      rouse = undefined;
      isWoken = false;
    },
  };
}
