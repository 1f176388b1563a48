import type { Redis } from "ioredis";

import type { Logger } from "../../ports.ts";
import { closeConnection, describeAddress, openConnection } from "./connection.ts";
import type { ShardAddress } from "./connection.ts";
import { slotOf } from "./partition-map.ts";
import type { Shard } from "./shard.ts";
import type { Topology, TopologyHost } from "./topology.ts";

/** The slot map is read this often without being asked for, and at most this often when it is. */
const REFRESH_MS = 5000;
const MIN_REFRESH_MS = 50;

/** While the last reading failed, or a server is away, the next follows sooner: a failover is not announced. */
const RETRY_MS = 200;

export interface ClusterTopologyOptions {
  /** Nodes to ask first, as URLs with the credentials that all nodes share. */
  readonly seeds: readonly string[];
  /** PEM of the authorities to trust. */
  readonly ca?: string | undefined;
  readonly tag: (partition: number) => string;
  readonly logger: Logger;
}

/** One row of CLUSTER SLOTS: slots from-to are on the master at host:port. */
interface SlotRange {
  readonly from: number;
  readonly to: number;
  readonly url: string;
}

/**
 * Redis Cluster over our own plain connections: reads the slot map from whichever node answers, every five
 * seconds, on MOVED, and when a server ends a subscription because its slot went away.
 */
export class ClusterTopology implements Topology {
  readonly #host: TopologyHost;
  readonly #options: ClusterTopologyOptions;
  readonly #shards = new Map<string, Shard>();
  readonly #seeds: Redis[] = [];
  #timer: ReturnType<typeof setTimeout> | null = null;
  /** When the timer fires (performance.now()). */
  #dueMs = 0;
  #isReading = false;
  #isStopped = false;
  #nextIndex = 0;
  #wasReported = false;

  constructor(host: TopologyHost, options: ClusterTopologyOptions) {
    this.#host = host;
    this.#options = options;
  }

  start(): void {
    const { seeds, ca } = this.#options;
    for (const url of seeds) {
      this.#seeds.push(
        openConnection({ type: "url", url, ca }, "topology", (error) => this.#report(url, error)),
      );
    }
    this.#readIn(0);
  }

  /** Servers that are known tell of themselves; before there is one, somebody must. */
  #report(url: string, error: Error): void {
    if (this.#wasReported || this.#isStopped || this.#shards.size > 0) return;
    this.#wasReported = true;
    const address = describeAddress({ type: "url", url });
    this.#options.logger.log("warn", "redis_unreachable", { address, error: error.message });
  }

  stop(): void {
    this.#isStopped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    for (const seed of this.#seeds) closeConnection(seed);
    for (const shard of this.#shards.values()) shard.stop();
  }

  shards(): readonly Shard[] {
    return [...this.#shards.values()];
  }

  refresh(): void {
    this.#readIn(MIN_REFRESH_MS);
  }

  #readIn(ms: number): void {
    if (this.#isStopped || this.#isReading) return;
    const dueMs = performance.now() + ms;
    if (this.#timer !== null) {
      // Who asks again and again must not put it off for ever.
      if (this.#dueMs <= dueMs) return;
      clearTimeout(this.#timer);
    }
    this.#dueMs = dueMs;
    this.#timer = setTimeout(() => void this.#read(), ms);
  }

  async #read(): Promise<void> {
    this.#timer = null;
    this.#isReading = true;
    const ranges = await this.#slots();
    this.#isReading = false;
    if (this.#isStopped) return;
    if (ranges !== null) this.#assign(ranges);
    const isSettled =
      ranges !== null && this.shards().every((shard) => shard.canPublish && shard.isSubscribed);
    this.#readIn(isSettled ? REFRESH_MS : RETRY_MS);
  }

  /** The slot map from the first node that has one. */
  async #slots(): Promise<SlotRange[] | null> {
    for (const shard of this.#shards.values()) {
      const ranges = await readSlots(() => shard.call("CLUSTER", "SLOTS"), shard.url);
      if (ranges !== null) return ranges;
    }
    for (const [index, seed] of this.#seeds.entries()) {
      const url = this.#options.seeds[index] as string;
      const ranges = await readSlots(() => seed.callBuffer("CLUSTER", "SLOTS"), url);
      if (ranges !== null) return ranges;
    }
    return null;
  }

  #assign(ranges: readonly SlotRange[]): void {
    const { partitionCount } = this.#host;
    const inUse = new Set<string>();
    for (let partition = 0; partition < partitionCount; partition++) {
      const slot = slotOf(this.#options.tag(partition));
      const range = ranges.find(({ from, to }) => from <= slot && slot <= to);
      if (range !== undefined) inUse.add(range.url);
      this.#host.assigned(partition, range === undefined ? null : this.#shardAt(range.url));
    }
    for (const [url, shard] of this.#shards) {
      if (inUse.has(url)) continue;
      this.#shards.delete(url);
      shard.stop();
      this.#options.logger.log("info", "redis_shard_gone", { address: shard.description });
    }
  }

  #shardAt(url: string): Shard {
    let shard = this.#shards.get(url);
    if (shard === undefined) {
      const address: ShardAddress = { type: "url", url, ca: this.#options.ca };
      shard = this.#host.createShard(this.#nextIndex++, address, true);
      this.#shards.set(url, shard);
      this.#options.logger.log("info", "redis_shard_found", { address: shard.description });
    }
    return shard;
  }
}

/** Asks one node; null when it does not answer or has no complete map. */
async function readSlots(ask: () => Promise<unknown>, url: string): Promise<SlotRange[] | null> {
  try {
    const rows = (await ask()) as [number, number, [Buffer | null, number, ...unknown[]]][];
    return rows.map(([from, to, [host, port]]) => {
      const target = new URL(url);
      // A node that does not know its own name says nothing: it is where we asked.
      const name = host === null ? "" : host.toString("latin1");
      if (name !== "") target.hostname = name;
      target.port = String(port);
      return { from, to, url: target.href };
    });
  } catch {
    return null;
  }
}
