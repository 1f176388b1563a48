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
  readonly deliveryDuration: HistogramSnapshot;
  readonly eventLoopLag: HistogramSnapshot;
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

export interface MetricsSnapshot {
  readonly stats: StatsSnapshot;
  readonly process: ProcessSnapshot;
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
