import type { Clock } from "../ports.ts";
import { RateLimit } from "../rate-limit.ts";
import type { ClusterTime } from "./cluster-time.ts";
import type { DeliveryTrace, TraceReason, TraceSink } from "./delivery-trace.ts";
import { RecentTraces } from "./recent-traces.ts";
import type { TraceStats } from "./trace-stats.ts";

/** Traces kept in memory. */
const MAX_RECENT = 512;

/** Traces per second and at once, by why they are made. The late ones share theirs. */
const LATE = { perSecond: 20, burst: 100 } as const;
const UPSTREAM = { perSecond: 100, burst: 200 } as const;
const DEBUG = { perSecond: 100, burst: 200 } as const;
/** What may be traced by rate at once, s of its limit. */
const HEAD_BURST_S = 10;

export interface TraceOutletOptions {
  readonly node: string;
  readonly clock: Clock;
  readonly time: ClusterTime;
  readonly stats: TraceStats;
  /** Of the traces made by rate. */
  readonly tracesPerSecond: number;
  /** Null where nobody collects traces: the last ones are kept all the same. */
  readonly sink: TraceSink | null;
}

/** Where traces leave, each kind at a bounded rate. */
export class TraceOutlet {
  readonly node: string;
  readonly time: ClusterTime;
  readonly stats: TraceStats;
  readonly recent = new RecentTraces(MAX_RECENT);
  readonly #clock: Clock;
  readonly #sink: TraceSink | null;
  readonly #budgets: Readonly<Record<TraceReason, RateLimit>>;

  constructor({ node, clock, time, stats, sink, tracesPerSecond }: TraceOutletOptions) {
    this.node = node;
    this.time = time;
    this.stats = stats;
    this.#clock = clock;
    this.#sink = sink;
    const nowMs = clock.nowMs();
    const budget = (of: { readonly perSecond: number; readonly burst: number }): RateLimit =>
      new RateLimit(of.perSecond, of.burst, nowMs);
    const late = budget(LATE);
    this.#budgets = {
      slow: late,
      error: late,
      drop: late,
      upstream: budget(UPSTREAM),
      debug: budget(DEBUG),
      head: budget({ perSecond: tracesPerSecond, burst: HEAD_BURST_S * tracesPerSecond }),
    };
  }

  /** Whether one more trace may be made for this reason. Counts it, or that it was left out. */
  admit(reason: TraceReason): boolean {
    const isWithin = this.#budgets[reason].take(1, this.#clock.nowMs()) === 0;
    if (isWithin) this.stats.traced(reason);
    else this.stats.suppressed(reason);
    return isWithin;
  }

  /** A part of a trace that was admitted, here or on another node. */
  emit(trace: DeliveryTrace): void {
    this.recent.add(trace);
    this.#sink?.trace(trace);
  }
}
