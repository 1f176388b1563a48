/** Time and chance, as the SDK needs them. Tests hand in their own. */
export interface ClientClock {
  /** Monotonic, ms. */
  nowMs(): number;
  /** Wall clock, ms since 1970. */
  wallMs(): number;
  /** Calls back once after `delayMs`; the returned function cancels that. */
  after(delayMs: number, callback: () => void): () => void;
}

/** Timers of every runtime hold a signed 32-bit count and fire at once beyond it. */
const MAX_TIMER_MS = 0x7fff_ffff;

export const systemClock: ClientClock = {
  nowMs: () => performance.now(),
  wallMs: () => Date.now(),
  after: (delayMs, callback) => {
    const timer = setTimeout(callback, Math.min(delayMs, MAX_TIMER_MS));
    return () => clearTimeout(timer);
  },
};

/** What stands in for a timer that is not set. */
export function noTimer(): void {
  // Nothing to cancel.
}
