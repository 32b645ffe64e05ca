/**
 * Those who wait for the next commit, in this process. They are all woken at once and look
 * again for themselves; nothing here knows what they wait for.
 */

export type Waiters = {
  /** Resolves at the next wake, when the time is up, the signal is given or all is closed. */
  readonly wait: (timeoutMs: number, signal?: AbortSignal) => Promise<void>;
  readonly wake: () => void;
  readonly close: () => void;
  readonly open: () => boolean;
};

/** Longer times overflow a timer. */
const LONGEST_MS = 2 ** 31 - 1;

export function openWaiters(): Waiters {
  const waiting = new Set<() => void>();
  let open = true;
  const wake = (): void => {
    for (const resume of waiting) resume();
  };
  return {
    wait: (timeoutMs, signal) => {
      if (!open || signal?.aborted) return Promise.resolve();
      return new Promise((resolve) => {
        const resume = (): void => {
          clearTimeout(timer);
          waiting.delete(resume);
          signal?.removeEventListener("abort", resume);
          resolve();
        };
        const timer = setTimeout(resume, Math.min(timeoutMs, LONGEST_MS));
        waiting.add(resume);
        signal?.addEventListener("abort", resume);
      });
    },
    wake,
    close: () => {
      open = false;
      wake();
    },
    open: () => open,
  };
}
