import type { Clock } from "../../ports.ts";
import type { Keys } from "./keys.ts";
import type { RedisStream } from "./redis-stream.ts";
import type { Shard } from "./shard.ts";

/** Every attached stream is compared with Redis once in this time. */
const AUDIT_ROUND_MS = 10_000;
const AUDIT_STEP_MS = 1000;

/** Streams compared in one write. */
const AUDIT_BATCH = 500;

type AuditTarget = Pick<Shard, "pipeline">;

export interface AuditorOptions {
  readonly keys: Keys;
  readonly streams: () => Iterable<RedisStream>;
  /** Null while nobody has the stream's partition: it is audited when somebody does. */
  readonly shardOf: (stream: RedisStream) => AuditTarget | null;
  readonly heal: (stream: RedisStream) => Promise<void>;
  readonly clock: Clock;
}

/**
 * Finds what no later message reveals: that the last one was lost. Compares each stream's position with
 * Redis's every ten seconds, and all of a shard's at once after its subscriptions were interrupted.
 * Keeps the positions of quiet channels alive on the way, for as long as this node is interested.
 */
export class Auditor {
  readonly #options: AuditorOptions;
  #timer: ReturnType<typeof setInterval> | null = null;
  #step = 0;

  constructor(options: AuditorOptions) {
    this.#options = options;
  }

  start(): void {
    const steps = AUDIT_ROUND_MS / AUDIT_STEP_MS;
    this.#timer = setInterval(() => {
      this.#step = (this.#step + 1) % steps;
      this.audit((stream) => stream.id % steps === this.#step);
    }, AUDIT_STEP_MS);
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  /** Compares the live streams that are due, in one write a shard. */
  audit(isDue: (stream: RedisStream) => boolean): void {
    for (const [shard, streams] of Map.groupBy(this.#live(isDue), this.#options.shardOf)) {
      if (shard !== null) this.#compare(shard, streams);
    }
  }

  #live(isDue: (stream: RedisStream) => boolean): RedisStream[] {
    const due: RedisStream[] = [];
    for (const stream of this.#options.streams()) {
      if (stream.phase === "live" && stream.isRecoverable && isDue(stream)) due.push(stream);
    }
    return due;
  }

  #compare(shard: AuditTarget, streams: readonly RedisStream[]): void {
    for (let i = 0; i < streams.length; i += AUDIT_BATCH) {
      void this.#compareBatch(shard, streams.slice(i, i + AUDIT_BATCH));
    }
  }

  /** Behind the comparisons, whose replies are read by their place. */
  #renew(stream: RedisStream, commands: string[][]): void {
    const { keys, clock } = this.#options;
    const nowMs = clock.nowMs();
    if (nowMs - stream.metaRenewedMs < stream.metaTtlMs / 4) return;
    stream.metaRenewedMs = nowMs;
    const { partition, hash, metaTtlMs } = stream;
    commands.push(["PEXPIRE", keys.meta(partition, hash), String(metaTtlMs)]);
  }

  async #compareBatch(shard: AuditTarget, streams: readonly RedisStream[]): Promise<void> {
    const { keys, heal } = this.#options;
    const commands = streams.map(({ partition, hash }) => [
      "HMGET",
      keys.meta(partition, hash),
      "e",
      "o",
    ]);
    for (const stream of streams) this.#renew(stream, commands);
    const known = streams.map(({ log }) => log.offset);
    let replies: [Error | null, unknown][] | null;
    try {
      replies = await shard.pipeline(commands);
    } catch {
      // The shard is away: it is audited as a whole when it is back.
      return;
    }
    for (const [index, stream] of streams.entries()) {
      const [epoch, offset] = (replies?.[index]?.[1] ?? []) as [string | null, string | null];
      const top = Number(offset ?? 0);
      // Less than was known when it was asked for: a failover lost it, and nobody has read since.
      const isOther = top > stream.log.offset || top < (known[index] as number);
      if (epoch !== stream.epoch || isOther) void heal(stream);
    }
  }
}
