import type { ClientClock } from "./clock.ts";
import { noTimer } from "./clock.ts";

/** How long a pong may take, ms [P-6.6]. */
const PONG_TIMEOUT_MS = 10_000;
/** Heartbeats are not sent more often than this, whatever a broker asks for, ms. */
const MIN_INTERVAL_MS = 1000;

export interface LivenessOptions {
  readonly clock: ClientClock;
  /** Send, and expect to receive, something at least this often, ms. */
  readonly intervalMs: number;
  readonly sendPing: () => void;
  readonly onDead: () => void;
}

/**
 * Keeps the connection alive and notices when it is dead. It pings when nothing was sent for the interval, and
 * also when nothing was received: a client that only publishes would not find out otherwise. The
 * connection is dead when nothing at all came for the interval and 10 s, and a ping has been out for those 10 s
 * (a machine that slept finds every deadline passed, and must ask before it gives up).
 */
export class Liveness {
  readonly #options: LivenessOptions;
  readonly #intervalMs: number;
  #sentAtMs: number;
  #receivedAtMs: number;
  /** When the ping went out that nothing has come after; null when there is none. */
  #pingedAtMs: number | null = null;
  #cancelTimer = noTimer;

  constructor(options: LivenessOptions) {
    this.#options = options;
    this.#intervalMs = Math.max(MIN_INTERVAL_MS, options.intervalMs);
    this.#sentAtMs = options.clock.nowMs();
    this.#receivedAtMs = this.#sentAtMs;
    this.#check();
  }

  sent(): void {
    this.#sentAtMs = this.#options.clock.nowMs();
  }

  received(): void {
    this.#receivedAtMs = this.#options.clock.nowMs();
    this.#pingedAtMs = null;
  }

  stop(): void {
    this.#cancelTimer();
  }

  /** Does what is due now, and sets the timer for the next moment at which something may be. */
  #check(): void {
    const { clock, sendPing, onDead } = this.#options;
    const nowMs = clock.nowMs();
    let dueMs = Math.min(this.#sentAtMs, this.#receivedAtMs) + this.#intervalMs;
    if (this.#pingedAtMs === null && nowMs >= dueMs) {
      this.#pingedAtMs = nowMs;
      sendPing();
    }
    if (this.#pingedAtMs !== null) {
      const quietMs = Math.max(this.#pingedAtMs, this.#receivedAtMs + this.#intervalMs);
      dueMs = quietMs + PONG_TIMEOUT_MS;
      if (nowMs >= dueMs) return onDead();
    }
    this.#cancelTimer = clock.after(dueMs - nowMs, () => this.#check());
  }
}
