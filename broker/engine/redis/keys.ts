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
 *   tw:{p12}:c:<hash>   pub/sub channel of one channel that has its own
 *   tw:{p12}:p:<hash>   hash: who is present on a channel, by connection
 *   tw:{p12}:x:<node>   set: what one node has entered into the partition's presence
 *   tw:cfg              what must be the same on every node; found whatever the number of partitions
 *
 * What belongs to no channel is beside the first partition's keys, so that one script can see all of it;
 * <lease> names a run of a node as long as it keeps its lease:
 *
 *   tw:{p0}:nodes              set: who has a lease, or had one and is not found dead yet
 *   tw:{p0}:lease:<lease>      string that expires: how the node routes channels
 *   tw:{p0}:dead               set: whose entries are to be deleted
 *   tw:{p0}:claim:<lease>      string that expires: somebody deletes them now
 *   tw:{p0}:gone:<lease>       string that expires: they were deleted
 *   tw:{p0}:connections:<lease>:{i,v}  sorted set and hash: a node's connections by id and by user
 *   tw:{p0}:channels:<lease>:{i,v}     the same: its channels
 *   tw:{p0}:u:<hash>           hash: connections of a user, by lease
 *   tw:{p0}:uncounted          set that expires: runs that have yet to write those again, after Redis lost its data
 *   tw:{p0}:revoked            sorted set: users and tokens revoked, by time
 *   tw:{p0}:disconnected       sorted set: users disconnected of late, by time
 *   tw:{p0}:control            pub/sub channel of all nodes
 *   tw:{p0}:control:<node>     pub/sub channel of one: answers to what it asked
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
    return `${this.#prefix}:cfg`;
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

  presence(partition: number, hash: string): string {
    return `${this.#base(partition)}:p:${hash}`;
  }

  /** What the holder of a lease has entered into the partition's presence. */
  presenceIndex(partition: number, lease: string): string {
    return `${this.#base(partition)}:x:${lease}`;
  }

  /** A key that belongs to no channel. */
  home(name: string): string {
    return `${this.#base(0)}:${name}`;
  }

  user(user: string): string {
    return this.home(`u:${nameHash(user)}`);
  }

  pubsub(partition: number): string {
    return `${this.#base(partition)}:c`;
  }

  /** Of a channel that does not share its partition's. */
  ownPubsub(partition: number, hash: string): string {
    return `${this.pubsub(partition)}:${hash}`;
  }

  /** Pub/sub channel of one run of a node; without a name, what those begin with. */
  nodeControl(incarnation = ""): string {
    return this.home(`control:${incarnation}`);
  }

  canary(node: string, shard: number): string {
    return `${this.#prefix}:canary:${nameHash(node)}:${shard}`;
  }
}

/** 132 bits of SHA-256 as 22 URL-safe characters. */
export function nameHash(name: string): string {
  return new Bun.CryptoHasher("sha256").update(name).digest("base64url").slice(0, 22);
}
