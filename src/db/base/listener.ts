/**
 * A listener whose errors cannot reach who calls it: what it tells of has happened already. They become
 * uncaught exceptions.
 */
export function guarded<T>(listener: ((item: T) => void) | undefined): (item: T) => void {
  return (item) => {
    try {
      listener?.(item);
    } catch (error) {
      queueMicrotask(() => {
        throw error;
      });
    }
  };
}
