import type { Clock } from "../ports.ts";

/** Samples of the common clock that are compared, and how old they may be. */
const MAX_SAMPLES = 16;
const MAX_SAMPLE_AGE_MS = 600_000;

/** The offset follows a better estimate by this much of the time that passes; past the step it jumps. */
const SLEW = 0.0005;
const STEP_MS = 1000;

/** The wall clock is compared with the monotonic one anew in this time. */
const WALL_WINDOW_MS = 60_000;

interface Sample {
  readonly atMs: number;
  readonly offsetMs: number;
  readonly roundTripMs: number;
}

/**
 * The clock that all nodes share, told from the monotonic clock: that of the first Redis where there is one,
 * else this machine's. Times are ms since 1970 with fractions.
 *
 * Of the samples of the common clock the one with the shortest round trip counts: it is wrong by half of that
 * at most.
 */
export class ClusterTime {
  readonly #clock: Clock;
  #samples: Sample[] = [];
  #offsetMs: number;
  #targetMs: number;
  /** Of the estimate, which the offset may still be on its way to. */
  #uncertaintyMs = 0;
  #adjustedMs: number;
  #isShared = false;
  /** The wall clock shows whole ms, so the largest difference seen is nearest to the truth. */
  #wallOffsetMs: number;
  #wallSinceMs: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    const nowMs = clock.nowMs();
    const offsetMs = clock.wallMs() - nowMs;
    const origin = performance.timeOrigin;
    // The runtime's own origin has fractions; with a clock of another kind it is far off.
    this.#wallOffsetMs = Math.abs(origin - offsetMs) <= 2 ? origin : offsetMs;
    this.#wallSinceMs = nowMs;
    this.#offsetMs = this.#wallOffsetMs;
    this.#targetMs = this.#wallOffsetMs;
    this.#adjustedMs = nowMs;
  }

  /** Common time of a monotonic one. */
  at(monotonicMs: number): number {
    return monotonicMs + this.#offsetMs;
  }

  /** Monotonic time of a common one. */
  toMonotonic(commonMs: number): number {
    return commonMs - this.#offsetMs;
  }

  nowMs(): number {
    return this.#clock.nowMs() + this.#offsetMs;
  }

  /** By how much it may be wrong; 0 where there is nobody to differ from. */
  get uncertaintyMs(): number {
    return this.#isShared ? this.#uncertaintyMs + Math.abs(this.#targetMs - this.#offsetMs) : 0;
  }

  /** Common time less this machine's wall clock. */
  get wallErrorMs(): number {
    return this.#offsetMs - this.#wallOffsetMs;
  }

  /** Takes the common clock's answer to a question of this node. */
  sampled(askedMs: number, answeredMs: number, commonMs: number): void {
    const roundTripMs = Math.max(0, answeredMs - askedMs);
    const offsetMs = commonMs - (askedMs + answeredMs) / 2;
    this.#samples.push({ atMs: answeredMs, offsetMs, roundTripMs });
    this.#samples = this.#samples
      .filter(({ atMs }) => answeredMs - atMs <= MAX_SAMPLE_AGE_MS)
      .slice(-MAX_SAMPLES);
    const best = this.#samples.reduce((a, b) => (b.roundTripMs <= a.roundTripMs ? b : a));
    this.#targetMs = best.offsetMs;
    this.#uncertaintyMs = best.roundTripMs / 2;
    if (this.#isShared) this.adjust();
    else this.#jump();
    this.#isShared = true;
  }

  /** Follows the estimate. Called about once a second. */
  adjust(): void {
    const nowMs = this.#clock.nowMs();
    this.#compareWall(nowMs);
    const elapsedMs = nowMs - this.#adjustedMs;
    this.#adjustedMs = nowMs;
    const differenceMs = this.#targetMs - this.#offsetMs;
    if (Math.abs(differenceMs) > STEP_MS) {
      this.#jump();
      return;
    }
    const mostMs = elapsedMs * SLEW;
    this.#offsetMs += Math.min(mostMs, Math.max(-mostMs, differenceMs));
  }

  #compareWall(nowMs: number): void {
    const offsetMs = this.#clock.wallMs() - nowMs;
    const isStale = nowMs - this.#wallSinceMs > WALL_WINDOW_MS;
    // Set back by hand, or drifting: what was seen before does not count any more.
    if (isStale || offsetMs > this.#wallOffsetMs || offsetMs < this.#wallOffsetMs - 1) {
      const isWithin = Math.abs(offsetMs - this.#wallOffsetMs) <= 1;
      this.#wallOffsetMs = isStale && isWithin ? this.#wallOffsetMs : offsetMs;
      this.#wallSinceMs = nowMs;
    }
    if (!this.#isShared) this.#targetMs = this.#wallOffsetMs;
  }

  #jump(): void {
    this.#offsetMs = this.#targetMs;
    this.#adjustedMs = this.#clock.nowMs();
  }
}
