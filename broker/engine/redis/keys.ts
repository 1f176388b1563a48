import { partitionOf, partitionTags } from "./partition-map.ts";

/**
 * Names of everything this engine keeps in Redis. A channel's name never appears in a key or a pub/sub
 * channel: it is hashed, so that no name can collide with another's key or reach a pattern.
 *
 *   tw:{p12}:h:<hash>   stream: history of a channel
 *   tw:{p12}:m:<hash>   hash: epoch, offset, fence, parent epoch and fork offset of a channel
 *   tw:{p12}:i:<hash>   string: where a publication id was published
 *   tw:{p12}:r:<node>   hash: last batch of one node in one partition, and its result
 *   tw:{p12}:c          pub/sub channel of the partition
 *   tw:{p0}:cfg         what must be the same on every node
 */
export class Keys {
  readonly partitionCount: number;
  readonly #prefix: string;
  readonly #tags: readonly string[];

  constructor(prefix: string, partitionCount: number) {
    this.#prefix = prefix;
    this.partitionCount = partitionCount;
    this.#tags = partitionTags(partitionCount);
  }

  get config(): string {
    return `${this.#base(0)}:cfg`;
  }

  partition(channel: string): number {
    return partitionOf(channel, this.partitionCount);
  }

  tag(partition: number): string {
    return this.#tags[partition] as string;
  }

  #base(partition: number): string {
    return `${this.#prefix}:{${this.tag(partition)}}`;
  }

  history(partition: number, hash: string): string {
    return `${this.#base(partition)}:h:${hash}`;
  }

  meta(partition: number, hash: string): string {
    return `${this.#base(partition)}:m:${hash}`;
  }

  publicationId(partition: number, hash: string, id: string): string {
    return `${this.#base(partition)}:i:${nameHash(`${hash}\0${id}`)}`;
  }

  ring(partition: number, node: string): string {
    return `${this.#base(partition)}:r:${nameHash(node)}`;
  }

  pubsub(partition: number): string {
    return `${this.#base(partition)}:c`;
  }

  canary(node: string, shard: number): string {
    return `${this.#prefix}:canary:${nameHash(node)}:${shard}`;
  }
}

/** 132 bits of SHA-256 as 22 URL-safe characters. */
export function nameHash(name: string): string {
  return new Bun.CryptoHasher("sha256").update(name).digest("base64url").slice(0, 22);
}
