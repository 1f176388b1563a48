import type { RolloutBudget } from "./host-options.ts";

/** Run times below this are noise: no version is judged slow for them. ms for one message */
const NOISE_MS = 0.05;
/**
 * A version is slow when each of so many stretches was: a cold start, or a moment in which the machine was busy with
 * something else, makes the first of them slow whatever the version is like.
 */
const STRETCHES = 5;
/** Of a stretch, at least. */
const STRETCH_MESSAGES = 40;

/** What is counted of one version while it is on trial. */
export class Tally {
  messages = 0;
  failed = 0;
  runMs = 0;
  /** Mean of each stretch, newest last; ms for one message. At most `STRETCHES`. */
  readonly #stretchesMs: number[] = [];
  #stretchMessages = 0;
  #stretchMs = 0;

  add(messages: number, failed: number, runMs: number): void {
    this.messages += messages;
    this.failed += failed;
    this.runMs += runMs;
    this.#stretchMessages += messages;
    this.#stretchMs += runMs;
    if (this.#stretchMessages < STRETCH_MESSAGES) return;
    this.#stretchesMs.push(this.#stretchMs / this.#stretchMessages);
    if (this.#stretchesMs.length > STRETCHES) this.#stretchesMs.shift();
    this.#stretchMessages = 0;
    this.#stretchMs = 0;
  }

  get faultPercent(): number {
    return this.messages === 0 ? 0 : (this.failed / this.messages) * 100;
  }

  /** For one message, ms. */
  get meanRunMs(): number {
    return this.messages === 0 ? 0 : this.runMs / this.messages;
  }

  /** For one message in the quickest of the newest stretches, ms; null before there are enough of them. */
  get quickestMs(): number | null {
    return this.#stretchesMs.length < STRETCHES ? null : Math.min(...this.#stretchesMs);
  }

  toReport(): { readonly messages: number; readonly failed: number; readonly meanRunMs: number } {
    return { messages: this.messages, failed: this.failed, meanRunMs: this.meanRunMs };
  }
}

/** Why a version is over its budget compared with the one before; null while it is within. */
export function overBudget(
  candidate: Tally,
  baseline: Tally,
  budget: RolloutBudget,
): string | null {
  if (candidate.messages < budget.minMessages) return null;
  // What fails in the version before fails for its own reasons.
  const allowed = budget.maxFaultPercent + baseline.faultPercent;
  if (candidate.faultPercent > allowed) {
    return `${candidate.faultPercent.toFixed(2)} % of messages failed, over ${allowed.toFixed(2)} %`;
  }
  // What fails early takes no time: all of it went into the rest, or says nothing when there is no rest.
  const measured = baseline.messages - baseline.failed;
  const slowest = Math.max(NOISE_MS, baseline.runMs / measured) * budget.maxSlowdown;
  const { quickestMs } = candidate;
  if (measured > 0 && quickestMs !== null && quickestMs > slowest) {
    return `a message takes ${quickestMs.toFixed(3)} ms, over ${slowest.toFixed(3)} ms`;
  }
  return null;
}
