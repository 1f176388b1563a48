import { DurationHistogram } from "./histogram.ts";
import type { RecentFault } from "./host-types.ts";

const MAX_RECENT_FAULTS = 20;
const MAX_FAULT_TEXT = 500;
/** A worker lets 50 names through; a process might not keep to it. */
const MAX_CUSTOMS = 100;

/** What is counted of one transform in one pipeline. */
class StageCounters {
  readonly verdicts: Record<string, number> = {
    pass: 0,
    replace: 0,
    drop: 0,
    fail: 0,
    emit: 0,
    skip: 0,
    shed: 0,
    refused: 0,
  };
  readonly faults: Record<string, number> = {};
  readonly restarts: Record<string, number> = {};
  readonly recentFaults: RecentFault[] = [];
  /** What the transform itself counts, by name. */
  readonly customs = new Map<string, { sum: number; count: number }>();

  fault(atMs: number, type: string, message: string, channel: string | null): void {
    this.faults[type] = (this.faults[type] ?? 0) + 1;
    if (this.recentFaults.length === MAX_RECENT_FAULTS) this.recentFaults.shift();
    this.recentFaults.push({ atMs, type, message: message.slice(0, MAX_FAULT_TEXT), channel });
  }

  custom(name: string, value: number, count: number): void {
    const custom = this.customs.get(name);
    if (custom === undefined) {
      if (this.customs.size < MAX_CUSTOMS) this.customs.set(name, { sum: value, count });
    } else {
      custom.sum += value;
      custom.count += count;
    }
  }

  restart(reason: string): void {
    this.restarts[reason] = (this.restarts[reason] ?? 0) + 1;
  }
}

/** What is counted of one pipeline, a record for each stage. */
export class PipelineCounters {
  readonly stages: readonly StageCounters[];
  readonly queue = new DurationHistogram();
  readonly run = new DurationHistogram();

  constructor(stages: number) {
    this.stages = Array.from({ length: stages }, () => new StageCounters());
  }

  /** Of every stage at once: what no single one is to blame for. */
  verdict(kind: string, count = 1): void {
    for (const { verdicts } of this.stages) verdicts[kind] = (verdicts[kind] ?? 0) + count;
  }

  stageVerdict(stage: number, kind: string): void {
    const verdicts = this.stages[stage]?.verdicts;
    if (verdicts !== undefined) verdicts[kind] = (verdicts[kind] ?? 0) + 1;
  }

  fault(
    stage: number | null,
    atMs: number,
    type: string,
    message: string,
    channel: string | null,
  ): void {
    if (stage !== null) this.stages[stage]?.fault(atMs, type, message, channel);
    else for (const counters of this.stages) counters.fault(atMs, type, message, channel);
  }

  restart(reason: string): void {
    for (const counters of this.stages) counters.restart(reason);
  }
}

/** Adds numbers by name. */
export function addCounts(
  into: Record<string, number>,
  from: Readonly<Record<string, number>>,
): void {
  for (const [name, count] of Object.entries(from)) into[name] = (into[name] ?? 0) + count;
}
