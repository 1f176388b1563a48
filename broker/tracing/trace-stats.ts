import { Histogram } from "../histogram.ts";
import type { TraceReason } from "./delivery-trace.ts";

/** Upper bounds of the buckets of single stages, ms. */
const STAGE_BOUNDS_MS = [
  0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500,
] as const;

/** Of end-to-end latencies, ms. */
const E2E_BOUNDS_MS = [
  0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000,
] as const;

/** Parts of a publication's way whose durations are recorded, once per batch. */
export const STAGES = [
  "ingest",
  "tx_queue",
  "tx_run",
  "bus_queue",
  "bus",
  "fanout",
  "socket",
] as const;

export type Stage = (typeof STAGES)[number];

/** How far a client's estimate of the broker's clock can be trusted. */
export type ClockQuality = "good" | "poor";

/** What tracing counts; part of the node's statistics. */
export class TraceStats {
  readonly stages: Readonly<Record<Stage, Histogram>> = {
    ingest: new Histogram(STAGE_BOUNDS_MS),
    tx_queue: new Histogram(STAGE_BOUNDS_MS),
    tx_run: new Histogram(STAGE_BOUNDS_MS),
    bus_queue: new Histogram(STAGE_BOUNDS_MS),
    bus: new Histogram(STAGE_BOUNDS_MS),
    fanout: new Histogram(STAGE_BOUNDS_MS),
    socket: new Histogram(STAGE_BOUNDS_MS),
  };
  /** From receipts: publication taken in to application. */
  readonly e2e: Readonly<Record<ClockQuality, Histogram>> = {
    good: new Histogram(E2E_BOUNDS_MS),
    poor: new Histogram(E2E_BOUNDS_MS),
  };
  readonly tracesByReason = new Map<TraceReason, number>();
  readonly suppressedByReason = new Map<TraceReason, number>();
  /** Receipts for publications that are not in the flight recorder (any more). */
  receiptsUnmatched = 0;
  /** Durations that came out below zero, and were taken as zero; and times of clients that cannot be. */
  clockNegative = 0;
  /** Cluster's clock less this machine's, and by how much it may be wrong, ms. */
  clockOffsetMs = 0;
  clockUncertaintyMs = 0;

  /** Records a duration; one below zero says that clocks differ. */
  record(stage: Stage, durationMs: number): void {
    if (durationMs < 0) this.clockNegative++;
    this.stages[stage].record(Math.max(0, durationMs));
  }

  traced(reason: TraceReason): void {
    this.tracesByReason.set(reason, (this.tracesByReason.get(reason) ?? 0) + 1);
  }

  suppressed(reason: TraceReason, count = 1): void {
    this.suppressedByReason.set(reason, (this.suppressedByReason.get(reason) ?? 0) + count);
  }
}
