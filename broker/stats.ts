import type { CodeInfo } from "../protocol/codes.ts";
import { Histogram } from "./histogram.ts";
import { TraceStats } from "./tracing/trace-stats.ts";

export { Histogram } from "./histogram.ts";

/** Upper bounds of the delivery histogram's buckets, ms. */
const DELIVERY_BOUNDS_MS = [
  0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500,
] as const;

/** Upper bounds of the event-loop lag histogram's buckets, ms. */
const LAG_BOUNDS_MS = [1, 2, 5, 10, 20, 50, 100, 250, 500, 1000] as const;

/** Why a publication was not delivered to somebody it was meant for. */
export type DropReason = "slow" | "node-budget" | "closed";

/** The rate that something was over. */
export type RateReason =
  | "command_rate"
  | "publish_rate"
  | "publish_byte_rate"
  | "api_publish_rate"
  /** Of authFailureRate: refused without a look at the credential. */
  | "auth_failures";

/**
 * The broker's counters. Hot loops add to plain numbers; otel/metrics.ts gives them names and units when
 * somebody asks.
 */
export class Stats {
  connectionsOpened = 0;
  connectionsOpen = 0;
  subscriptionsOpen = 0;
  channelsOpen = 0;
  messagesReceived = 0;
  bytesReceived = 0;
  publications = 0;
  publicationBytes = 0;
  duplicates = 0;
  deliveries = 0;
  /** Messages that a session had to wait for: its socket was full, or became so with it. */
  deliveriesQueued = 0;
  deliveryBytes = 0;
  /** Bytes waiting in sessions' own queues, all together. */
  outboundQueuedBytes = 0;
  recoveriesComplete = 0;
  recoveriesIncomplete = 0;
  receipts = 0;
  /** Of the Redis engine; with the memory engine they stay 0. */
  batches = 0;
  duplicatesDropped = 0;
  gapsHealed = 0;
  resets = 0;
  gaveUp = 0;
  leasesLost = 0;
  nodesSwept = 0;
  admittedUnchecked = 0;
  readonly dropsByReason = new Map<DropReason, number>();
  readonly errorsByCode = new Map<string, number>();
  readonly closesByCode = new Map<string, number>();
  readonly authFailuresByCode = new Map<string, number>();
  readonly rateRefusalsByReason = new Map<RateReason, number>();
  readonly deliveryDuration = new Histogram(DELIVERY_BOUNDS_MS);
  readonly eventLoopLag = new Histogram(LAG_BOUNDS_MS);
  readonly tracing = new TraceStats();

  dropped(reason: DropReason, count: number): void {
    add(this.dropsByReason, reason, count);
  }

  errored(info: CodeInfo): void {
    add(this.errorsByCode, info.name, 1);
  }

  closed(name: string): void {
    add(this.closesByCode, name, 1);
  }

  authFailed(info: CodeInfo): void {
    add(this.authFailuresByCode, info.name, 1);
  }

  rateRefused(reason: RateReason): void {
    add(this.rateRefusalsByReason, reason, 1);
  }
}

function add<Key>(map: Map<Key, number>, key: Key, count: number): void {
  map.set(key, (map.get(key) ?? 0) + count);
}
