import { BREAKER_LOSSES } from "./host-options.ts";

/**
 * Opens after `BREAKER_LOSSES` lost workers within a window: then no message crosses, and the failure policy speaks for
 * all. Each time the interval is over, one message is let through; its success closes the breaker.
 */
export class Breaker {
  readonly #windowMs: number;
  readonly #probeIntervalMs: number;
  #lossesMs: number[] = [];
  #isOpen = false;
  #probeAtMs = 0;
  #isProbing = false;

  constructor(windowMs: number, probeIntervalMs: number) {
    this.#windowMs = windowMs;
    this.#probeIntervalMs = probeIntervalMs;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  get isProbing(): boolean {
    return this.#isProbing;
  }

  /** Whether one message may be tried now. */
  mayProbe(nowMs: number): boolean {
    return this.#isOpen && !this.#isProbing && nowMs >= this.#probeAtMs;
  }

  /** Until the next probe; 0 when it may be made. */
  waitMs(nowMs: number): number {
    return Math.max(0, this.#probeAtMs - nowMs);
  }

  beginProbe(): void {
    this.#isProbing = true;
  }

  /** A worker was lost. True when this opens the breaker. */
  recordLoss(nowMs: number): boolean {
    if (this.#isOpen) {
      this.failProbe(nowMs);
      return false;
    }
    this.#lossesMs = this.#lossesMs.filter((atMs) => nowMs - atMs < this.#windowMs);
    this.#lossesMs.push(nowMs);
    if (this.#lossesMs.length < BREAKER_LOSSES) return false;
    this.#isOpen = true;
    this.#probeAtMs = nowMs + this.#probeIntervalMs;
    return true;
  }

  failProbe(nowMs: number): void {
    this.#isProbing = false;
    this.#probeAtMs = nowMs + this.#probeIntervalMs;
  }

  /** There was nothing to probe with after all; the next message is one. */
  cancelProbe(): void {
    this.#isProbing = false;
  }

  close(): void {
    this.#isOpen = false;
    this.#isProbing = false;
    this.#lossesMs = [];
  }
}
