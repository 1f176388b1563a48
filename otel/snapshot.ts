/**
 * What the metrics are read from. The broker's statistics fit `StatsSnapshot` by shape; the composition
 * root is where the compiler proves it.
 */
export interface HistogramSnapshot {
  /** Upper bounds, ms, ascending. */
  readonly boundsMs: readonly number[];
  /** One more than bounds: the last counts what is above all of them. Not cumulative. */
  readonly counts: readonly number[];
  readonly sumMs: number;
  readonly count: number;
  /** Of each bucket, the newest value that a trace explains. */
  readonly exemplars?: readonly (Exemplar | null)[];
}

/** One recorded value, and the trace that tells why. */
export interface Exemplar {
  /** 32 hex digits. */
  readonly traceId: string;
  /** 16 hex digits. */
  readonly spanId: string;
  readonly valueMs: number;
  /** Wall clock ms since 1970. */
  readonly atMs: number;
}

export interface StatsSnapshot {
  readonly connectionsOpened: number;
  readonly connectionsOpen: number;
  readonly subscriptionsOpen: number;
  readonly channelsOpen: number;
  readonly messagesReceived: number;
  readonly bytesReceived: number;
  readonly publications: number;
  readonly publicationBytes: number;
  readonly duplicates: number;
  readonly deliveries: number;
  readonly deliveryBytes: number;
  readonly outboundQueuedBytes: number;
  readonly recoveriesComplete: number;
  readonly recoveriesIncomplete: number;
  readonly receipts: number;
  readonly batches: number;
  readonly duplicatesDropped: number;
  readonly gapsHealed: number;
  readonly resets: number;
  readonly gaveUp: number;
  readonly leasesLost: number;
  readonly nodesSwept: number;
  readonly admittedUnchecked: number;
  readonly dropsByReason: ReadonlyMap<string, number>;
  readonly errorsByCode: ReadonlyMap<string, number>;
  readonly closesByCode: ReadonlyMap<string, number>;
  readonly authFailuresByCode: ReadonlyMap<string, number>;
  readonly rateRefusalsByReason: ReadonlyMap<string, number>;
  readonly deliveryDuration: HistogramSnapshot;
  readonly eventLoopLag: HistogramSnapshot;
  readonly deliveriesQueued: number;
  readonly tracing: TraceStatsSnapshot;
}

export interface TraceStatsSnapshot {
  /** By stage. */
  readonly stages: Readonly<Record<string, HistogramSnapshot>>;
  /** By how far the client's clock can be trusted. */
  readonly e2e: Readonly<Record<string, HistogramSnapshot>>;
  readonly tracesByReason: ReadonlyMap<string, number>;
  readonly suppressedByReason: ReadonlyMap<string, number>;
  readonly receiptsUnmatched: number;
  readonly clockNegative: number;
  readonly clockOffsetMs: number;
  readonly clockUncertaintyMs: number;
}

export interface ProcessSnapshot {
  readonly version: string;
  readonly bunVersion: string;
  /** Wall clock ms since 1970. */
  readonly startedMs: number;
  readonly residentBytes: number;
  readonly heapBytes: number;
  /** User and system time since the start, ms. */
  readonly cpuMs: number;
}

/** What became of spans: each is one of these. */
export interface SpanCounts {
  readonly exported: number;
  /** Refused by the collector, or it could not be reached in time. */
  readonly failed: number;
  /** Never tried, because the queue was full. */
  readonly dropped: number;
  readonly waiting: number;
}

export interface MetricsSnapshot {
  readonly stats: StatsSnapshot;
  /** The Redis servers, and how each is. */
  readonly shards: readonly { readonly state: string }[];
  readonly process: ProcessSnapshot;
  /** Only while traces are exported. */
  readonly spans?: SpanCounts;
  /** Only where there are some. */
  readonly transforms?: readonly TransformSnapshot[];
}

/** How one transform does. */
export interface TransformSnapshot {
  /** From the configuration. */
  readonly id: string;
  readonly state: string;
  readonly queued: number;
  readonly heapBytes: number;
  readonly verdicts: Readonly<Record<string, number>>;
  readonly faults: Readonly<Record<string, number>>;
  readonly restarts: Readonly<Record<string, number>>;
  /** Its own, by names of its own; there is a bound to how many. */
  readonly custom: Readonly<Record<string, { readonly sum: number; readonly count: number }>>;
  readonly queueMs: { readonly p50: number; readonly p99: number };
  readonly runMs: { readonly p50: number; readonly p99: number };
}

/** Reads what concerns the whole process. */
export function processSnapshot(version: string): ProcessSnapshot {
  const { rss, heapUsed } = process.memoryUsage();
  const cpu = process.cpuUsage();
  return {
    version,
    bunVersion: process.versions["bun"] ?? "",
    startedMs: performance.timeOrigin,
    residentBytes: rss,
    heapBytes: heapUsed,
    cpuMs: (cpu.user + cpu.system) / 1000,
  };
}
