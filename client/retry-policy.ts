import { Backoff } from "./backoff.ts";
import type { ClientClock } from "./clock.ts";
import { Code } from "./codes.ts";
import type { TickwireError } from "./errors.ts";

/** New tokens tried in a row after refusals. */
const MAX_RENEWALS = 3;
/** The longest a broker can make a client wait, ms; beyond that it is a mistake. */
const MAX_BROKER_DELAY_MS = 600_000;

/** Decides what follows the end of a connection, or of an attempt at one. Holds no timers. */
export class RetryPolicy {
  readonly #clock: ClientClock;
  readonly #random: () => number;
  readonly #backoff: Backoff;
  #renewals = 0;
  #drainAtMs = 0;

  constructor(clock: ClientClock, random: () => number) {
    this.#clock = clock;
    this.#random = random;
    this.#backoff = new Backoff(random);
  }

  /** Attempts since a connection was last stable. */
  get attempt(): number {
    return this.#backoff.attempt;
  }

  /** The connection has lasted long enough to count as good. */
  stable(): void {
    this.#backoff.reset();
    this.#renewals = 0;
  }

  /** The broker drains: chooses the moment in its window to reconnect, and returns how far off it is, ms. */
  drain(windowMs: number): number {
    const delayMs = this.#random() * Math.min(windowMs, MAX_BROKER_DELAY_MS);
    this.#drainAtMs = this.#clock.nowMs() + delayMs;
    return delayMs;
  }

  /**
   * Time until the next attempt after `error` ended things, ms; null when there is to be none.
   * @param isRenewable whether a new token can be had
   */
  delayMs(error: TickwireError, isRenewable: boolean): number | null {
    const leftMs = this.#drainAtMs - this.#clock.nowMs();
    const wasDraining = this.#drainAtMs > 0;
    this.#drainAtMs = 0;
    if (error.number === Code.unauthorized || error.number === Code.tokenExpired) {
      // The same token will not do; without another one there is nothing to retry with.
      if (!isRenewable || this.#renewals >= MAX_RENEWALS) return null;
      return this.#renewals++ === 0 ? 0 : this.#backoff.nextMs();
    }
    if (error.retry === "never") return null;
    if (wasDraining) return Math.max(0, leftMs);
    return Math.min(error.retryAfterMs ?? 0, MAX_BROKER_DELAY_MS) + this.#backoff.nextMs();
  }
}
