import type { Clock, Logger } from "../../ports.ts";
import type { ShardAddress } from "./connection.ts";
import type { MembershipStats } from "./lease-membership.ts";
import type { RoutedPattern } from "./routing-table.ts";

/** Where Redis is: servers that share the partitions for good, or a cluster that moves them. */
export type RedisTopologyOptions =
  | { readonly type: "servers"; readonly shards: readonly ShardAddress[] }
  | {
      readonly type: "cluster";
      readonly seeds: readonly string[];
      readonly ca?: string | undefined;
    };

export interface RedisEngineOptions {
  readonly topology: RedisTopologyOptions;
  readonly prefix: string;
  /** What says how channels are routed, as `Namespaces` takes it; default: all share their partition's. */
  readonly namespaces?: readonly RoutedPattern[];
  readonly partitions: number;
  readonly node: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Counts publishes that were answered with an earlier one's offset. */
  readonly counters: { duplicates: number };
  /** Where the engine counts; default: numbers of its own. */
  readonly stats?: RedisEngineStats;
  readonly idempotencyWindowMs: number;
  readonly channelIdleMs: number;
  /** Bounds of each partition's outbox. */
  readonly maxOutboxPublications: number;
  readonly maxOutboxBytes: number;
  /** How long a publisher waits before it is told that the outcome is not known, ms. */
  readonly giveUpMs: number;
  /** How long a revocation is in force, ms; default: a day. */
  readonly revocationTtlMs?: number;
  /** How long a node counts that gives no sign of life, ms; default: 12 s. */
  readonly leaseMs?: number;
  /**
   * How long `start` waits for the first server, and for a place among the nodes, ms; default: 1.5 s. A node
   * goes on without, so that one can be started while Redis is away.
   */
  readonly startWindowMs?: number;
}

/** What the engine counts for the metrics and the tests. */
export interface RedisEngineStats extends MembershipStats {
  batches: number;
  duplicatesDropped: number;
  gapsHealed: number;
  resets: number;
  gaveUp: number;
}

export function noStats(): RedisEngineStats {
  return {
    batches: 0,
    duplicatesDropped: 0,
    gapsHealed: 0,
    resets: 0,
    gaveUp: 0,
    leasesLost: 0,
    nodesSwept: 0,
    admittedUnchecked: 0,
  };
}
