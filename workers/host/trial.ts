import type { RolloutBudget } from "./host-options.ts";

/** Run times below this are noise: no version is judged slow for them. ms for one message */
const NOISE_MS = 0.05;

/** What is counted of one version while it is on trial. */
export class Tally {
  messages = 0;
  failed = 0;
  runMs = 0;

  add(messages: number, failed: number, runMs: number): void {
    this.messages += messages;
    this.failed += failed;
    this.runMs += runMs;
  }

  get faultPercent(): number {
    return this.messages === 0 ? 0 : (this.failed / this.messages) * 100;
  }

  /** For one message, ms. */
  get meanRunMs(): number {
    return this.messages === 0 ? 0 : this.runMs / this.messages;
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
  const slowest = Math.max(NOISE_MS, baseline.meanRunMs) * budget.maxSlowdown;
  if (baseline.messages > 0 && candidate.meanRunMs > slowest) {
    return `a message takes ${candidate.meanRunMs.toFixed(3)} ms, over ${slowest.toFixed(3)} ms`;
  }
  return null;
}
