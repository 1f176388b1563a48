import type { ShardAddress } from "./connection.ts";
import { shardOf } from "./partition-map.ts";
import type { Shard } from "./shard.ts";

export interface TopologyHost {
  readonly partitionCount: number;
  createShard(index: number, address: ShardAddress, isCluster: boolean): Shard;
  /** The partition is on this shard now; null while nobody has it. */
  assigned(partition: number, shard: Shard | null): void;
}

/** Which shard has which partition. */
export interface Topology {
  start(): void;
  stop(): void;
  shards(): readonly Shard[];
  /** A server said that it does not have (all of) what we took it to have. */
  refresh(): void;
}

/** One server, N independent servers, or masters watched by Sentinel: partitions are spread by hash for good. */
export class StaticTopology implements Topology {
  readonly #host: TopologyHost;
  readonly #addresses: readonly ShardAddress[];
  #shards: Shard[] = [];

  constructor(host: TopologyHost, addresses: readonly ShardAddress[]) {
    this.#host = host;
    this.#addresses = addresses;
  }

  start(): void {
    const { partitionCount } = this.#host;
    this.#shards = this.#addresses.map((address, index) =>
      this.#host.createShard(index, address, false),
    );
    for (let partition = 0; partition < partitionCount; partition++) {
      const shard = this.#shards[shardOf(partition, this.#shards.length)];
      this.#host.assigned(partition, shard ?? null);
    }
  }

  stop(): void {
    for (const shard of this.#shards) shard.stop();
  }

  shards(): readonly Shard[] {
    return this.#shards;
  }

  refresh(): void {
    // Nothing moves.
  }
}
