import { randomId } from "../../broker/engine/epoch.ts";
import { Keys } from "../../broker/engine/redis/keys.ts";
import { RedisEngine } from "../../broker/engine/redis/redis-engine.ts";
import type {
  RedisEngineOptions,
  RedisTopologyOptions,
} from "../../broker/engine/redis/redis-engine.ts";
import type { Stream } from "../../broker/engine/stream.ts";
import { silentLogger, systemClock } from "../../broker/ports.ts";
import { NAMESPACE, RecordingListener, SETTINGS } from "../contract/engine-harness.ts";
import type { EngineFactory } from "../contract/engine-harness.ts";
import { waitUntil } from "./redis/wait.ts";

/** Few, so that a test opens little; more than the servers of any topology. */
export const PARTITIONS = 8;

/** Options of an engine over Redis with a prefix of its own, so that tests can share a server. */
export function redisEngineOptions(topology: RedisTopologyOptions): RedisEngineOptions {
  const { idempotencyWindowMs, channelIdleMs } = SETTINGS;
  return {
    topology,
    prefix: `t${randomId(8)}`,
    partitions: PARTITIONS,
    node: "n",
    clock: systemClock,
    logger: silentLogger,
    counters: { duplicates: 0 },
    idempotencyWindowMs,
    channelIdleMs,
    maxOutboxPublications: 10_000,
    maxOutboxBytes: 8 * 1024 * 1024,
    giveUpMs: 5000,
  };
}

/**
 * Knows when everything published through an engine has come back to it: publishes on channels of its own in
 * each partition, through both outboxes, and waits for them. Redis keeps the order within a partition.
 */
export class Barrier {
  readonly #engine: RedisEngine;
  readonly #streams: { readonly stream: Stream; readonly listener: RecordingListener }[] = [];

  constructor(engine: RedisEngine) {
    this.#engine = engine;
  }

  async #attach(): Promise<void> {
    const keys = new Keys("any", PARTITIONS);
    const wanted = new Set(Array.from({ length: PARTITIONS }, (_, partition) => partition));
    for (let i = 0; wanted.size > 0; i++) {
      if (!wanted.delete(keys.partition(`barrier${i}`))) continue;
      // A second name in the same partition, found by counting on.
      let other = i + 1;
      while (keys.partition(`barrier${other}`) !== keys.partition(`barrier${i}`)) other++;
      await this.#attachOne(`barrier${i}`, 0);
      await this.#attachOne(`barrier${other}`, 1);
    }
  }

  async #attachOne(name: string, historySize: number): Promise<void> {
    const stream = this.#engine.open(name, { ...NAMESPACE, historySize });
    const listener = new RecordingListener(stream);
    await this.#engine.attach(stream);
    this.#streams.push({ stream, listener });
  }

  async pass(): Promise<void> {
    if (this.#streams.length === 0) await this.#attach();
    const counts = this.#streams.map(({ listener }) => listener.appendedCount);
    for (const { stream } of this.#streams) {
      this.#engine.publish(stream, new Uint8Array(1), 0, 1, null, null, null, 0);
    }
    await waitUntil("what was published is here", () =>
      this.#streams.every(({ listener }, i) => listener.appendedCount > (counts[i] as number)),
    );
    for (const { listener } of this.#streams) listener.take();
  }
}

export function untilReady(engine: RedisEngine): Promise<void> {
  return waitUntil("the engine is ready", () => engine.isReady());
}

/** What the contract makes its engines with. The topology is asked for when servers run. */
export function redisFactory(
  topology: () => RedisTopologyOptions,
  namespace = NAMESPACE,
): EngineFactory {
  return {
    namespace,
    canAdvance: false,
    closeEndsEpoch: false,
    isShared: true,
    async create({ idempotencyWindowMs, channelIdleMs }) {
      const options = redisEngineOptions(topology());
      const engine = new RedisEngine({ ...options, idempotencyWindowMs, channelIdleMs });
      const barrier = new Barrier(engine);
      return {
        engine,
        async settle() {
          await untilReady(engine);
          await barrier.pass();
        },
        advance: null,
        nowMs: () => systemClock.nowMs(),
        [Symbol.asyncDispose]: async () => {},
      };
    },
  };
}
