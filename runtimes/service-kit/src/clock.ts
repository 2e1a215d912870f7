/** Ends a timer; calling it again, or after the timer ran, does nothing. */
export type Cancel = () => void;

/** Time as everything in Bellwether sees it: passed in, so that tests and backtests can hold it. */
export interface Clock {
  /** Wall time, epoch milliseconds. */
  nowMs(): number;
  setTimeout(fn: () => void, delayMs: number): Cancel;
  /** Resolves after `delayMs`; rejects with the signal's reason when that aborts first. */
  sleep(delayMs: number, signal?: AbortSignal): Promise<void>;
}

/** Node's timers fire at once above 2^31−1 ms; longer waits are cut to it. */
const longestTimerMs = 2_147_483_647;

export function sleepOn(clock: Pick<Clock, "setTimeout">, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason as Error);
      return;
    }
    const onAbort = (): void => {
      cancel();
      reject(signal?.reason as Error);
    };
    const cancel = clock.setTimeout(() => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    }, delayMs);
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  setTimeout(fn, delayMs) {
    const timer = setTimeout(fn, Math.min(delayMs, longestTimerMs));
    return () => clearTimeout(timer);
  },
  sleep(delayMs, signal) {
    return sleepOn(systemClock, delayMs, signal);
  },
};
