import type { Version } from "./binding.ts";
import type { HostContext } from "./context.ts";
import type { Pipeline, SetListener } from "./pipeline.ts";
import type { ShadowTally } from "./shadow.ts";
import { overBudget, Tally } from "./trial.ts";
import type { WorkerSet } from "./worker-set.ts";

/** A version on trial: under what mode, how it does, and why the trial ended. */
export class Rollout {
  readonly mode: "replace" | "canary" | "shadow";
  readonly version: Version;
  readonly candidate = new Tally();
  readonly baseline = new Tally();
  readonly startedAtMs: number;
  readonly #context: HostContext;
  readonly #onOverBudget: (reason: string) => void;
  readonly #watched: Pipeline[] = [];
  readonly #deadlineMs: number;
  /** Of a canary. */
  sets: Map<Pipeline, WorkerSet> = new Map();
  channels: readonly string[] = [];
  /** Of a shadow. */
  percent = 0;
  shadowTally: ShadowTally | null = null;
  onEnd: (() => void) | null = null;
  endedBecause: string | null = null;
  #overBecause: string | null = null;

  constructor(
    mode: "replace" | "canary" | "shadow",
    version: Version,
    context: HostContext,
    onOverBudget: (reason: string) => void,
  ) {
    this.mode = mode;
    this.version = version;
    this.#context = context;
    this.#onOverBudget = onOverBudget;
    this.startedAtMs = context.clock.wallMs();
    this.#deadlineMs = context.clock.nowMs() + context.times.probationMs;
  }

  /** Whether it stands in the way of another change; one that replaced the version before does not. */
  get isActive(): boolean {
    return this.endedBecause === null && this.mode !== "replace";
  }

  /** Counts what the set does and, for a canary, what the active one does meanwhile. */
  watch(pipeline: Pipeline, candidate: WorkerSet, before: Tally | null): void {
    if (before !== null) this.baseline.add(before.messages, before.failed, before.runMs);
    this.#watched.push(pipeline);
    const listener: SetListener = {
      replied: () => undefined,
      judged: (set, messages, failed, runMs) => {
        if (set !== candidate) return;
        this.candidate.add(messages, failed, runMs);
        this.#judge();
      },
      lost: (set) => {
        if (set === candidate && set.breaker.isOpen) this.#over("its workers were lost too often");
      },
    };
    pipeline.listener = listener;
  }

  end(reason: string): void {
    if (this.endedBecause !== null) return;
    this.endedBecause = this.#overBecause ?? reason;
    for (const pipeline of this.#watched) pipeline.listener = null;
    this.onEnd?.();
  }

  /** Said by shadows after each comparison, or when one cannot go on. */
  judgeShadow(brokenBecause: string | null): void {
    const tally = this.shadowTally;
    if (tally === null || this.endedBecause !== null) return;
    const { budget } = this.#context;
    const compared = tally.same + tally.different;
    const differentPercent = compared === 0 ? 0 : (tally.different / compared) * 100;
    let reason = brokenBecause ?? overBudget(tally.shadow, tally.served, budget);
    if (compared >= budget.minMessages && differentPercent > budget.maxDifferentPercent) {
      reason ??= `${differentPercent.toFixed(2)} % of outputs differ`;
    }
    if (reason !== null) this.#over(reason);
  }

  /** What status shows. */
  toReport(): unknown {
    const { mode, version, endedBecause, startedAtMs, channels, percent, shadowTally } = this;
    const common = { mode, version: version.manifest.version, use: version.use, startedAtMs };
    const outcome = { endedBecause };
    if (shadowTally === null) {
      const tallies = { candidate: this.candidate.toReport(), baseline: this.baseline.toReport() };
      return { ...common, ...(mode === "canary" ? { channels } : {}), ...tallies, ...outcome };
    }
    const { served, shadow, ...counts } = shadowTally;
    return {
      ...common,
      percent,
      ...counts,
      served: served.toReport(),
      shadow: shadow.toReport(),
      ...outcome,
    };
  }

  #judge(): void {
    if (this.endedBecause !== null) return;
    if (this.mode === "replace" && this.#context.clock.nowMs() > this.#deadlineMs) {
      this.end("kept");
      return;
    }
    const reason = overBudget(this.candidate, this.baseline, this.#context.budget);
    if (reason !== null) this.#over(reason);
  }

  #over(reason: string): void {
    if (this.endedBecause !== null || this.#overBecause !== null) return;
    this.#overBecause = `over budget: ${reason}`;
    this.#onOverBudget(reason);
  }
}
