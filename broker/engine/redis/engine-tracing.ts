import type { TraceRuleChange } from "../../tracing/debug-rules.ts";
import type {
  EngineTracer,
  SentGroup,
  SentTrace,
  TracePeers,
  TraceRequest,
} from "../../tracing/engine-tracer.ts";
import type { PublishTrace } from "../../tracing/publish-trace.ts";
import { messageOf } from "./lease-home.ts";
import type { OutboxBatch, OutboxGroup, SendOutcome } from "./outbox-batch.ts";
import type { RedisEngineOptions } from "./redis-engine-options.ts";
import type { RedisStream } from "./redis-stream.ts";
import type { Shard } from "./shard.ts";

/** The clock is asked so often at first, and then at this pace, ms. */
const FIRST_SAMPLES = 5;
const SAMPLE_MS = 10_000;

export interface EngineTracingOptions {
  readonly engine: RedisEngineOptions;
  /** Name of this run of this node. */
  readonly incarnation: string;
  /** Partition of a channel. */
  readonly partitionOf: (channel: string) => number;
  readonly shardAt: (partition: number) => Shard | null;
  /** Sends a request to another node's run. */
  readonly ask: (producer: string, request: TraceRequest) => void;
  /** Tells all nodes what to trace. */
  readonly tellRule: (change: TraceRuleChange) => void;
}

/**
 * What the engine tells of publications on their way between nodes, and the clock that all nodes share: that of
 * the server that has the first partition.
 */
export class EngineTracing implements TracePeers {
  readonly #options: EngineTracingOptions;
  #tracer: EngineTracer | null = null;
  #timer: ReturnType<typeof setInterval> | null = null;
  #isSampling = false;

  constructor(options: EngineTracingOptions) {
    this.#options = options;
  }

  connect(tracer: EngineTracer): TracePeers {
    this.#tracer = tracer;
    return this;
  }

  get producer(): string {
    return this.#options.incarnation;
  }

  placeOf(channel: string): { readonly partition: number; readonly shard: number } {
    const partition = this.#options.partitionOf(channel);
    return { partition, shard: this.#shardIndex(partition) };
  }

  ask(producer: string, request: TraceRequest): void {
    this.#options.ask(producer, request);
  }

  tellRule(change: TraceRuleChange): void {
    this.#options.tellRule(change);
  }

  ruleChanged(change: TraceRuleChange): void {
    this.#tracer?.ruleChanged(change);
  }

  asked(request: TraceRequest): void {
    this.#tracer?.asked(request);
  }

  /** Time of the common clock; of this machine's while nobody asks. */
  commonMs(): number {
    return this.#tracer?.time.nowMs() ?? this.#options.engine.clock.wallMs();
  }

  #shardIndex(partition: number): number {
    return this.#options.shardAt(partition)?.index ?? 0;
  }

  /** A publication did not get into a batch. */
  refused(
    stream: RedisStream,
    payloadBytes: number,
    error: string,
    trace: PublishTrace | null,
  ): void {
    this.#tracer?.refused(stream, payloadBytes, error, trace);
  }

  settled(partition: number, batch: OutboxBatch<RedisStream>, outcome: SendOutcome): void {
    const tracer = this.#tracer;
    if (tracer === null) return;
    const repliedMs = this.#options.engine.clock.nowMs();
    const isOrdinary =
      !batch.isTraced && isStored(outcome) && !isSlow(batch, repliedMs - batch.openedMs);
    tracer.sent({
      partition,
      shard: this.#shardIndex(partition),
      producer: this.producer,
      publications: batch.publications,
      openedMs: batch.openedMs,
      sentMs: batch.sentMs,
      stampMs: batch.stampMs,
      repliedMs,
      groups: isOrdinary
        ? nothingToTell
        : batch.groups.map((group, index) => sentGroup(group, index, outcome)),
    });
  }

  start(): void {
    this.#timer = setInterval(() => void this.#sample(1), SAMPLE_MS);
    void this.#sample(FIRST_SAMPLES);
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  /** A server has come back; when it is that of the first partition, its clock may be another. */
  resubscribed(shard: Shard): void {
    const isClock = shard === this.#options.shardAt(0);
    if (isClock && this.#timer !== null) void this.#sample(FIRST_SAMPLES);
  }

  async #sample(times: number): Promise<void> {
    const { shardAt, engine } = this.#options;
    const { clock, logger } = engine;
    if (this.#isSampling) return;
    this.#isSampling = true;
    try {
      for (let i = 0; i < times; i++) {
        const shard = shardAt(0);
        if (shard === null || !shard.canRead) break;
        const askedMs = clock.nowMs();
        const reply = (await shard.call("TIME")) as unknown[];
        const answeredMs = clock.nowMs();
        const [seconds, micros] = reply.map(Number);
        const commonMs = (seconds ?? 0) * 1000 + (micros ?? 0) / 1000;
        if (commonMs > 0) this.#tracer?.time.sampled(askedMs, answeredMs, commonMs);
      }
    } catch (error) {
      logger.log("debug", "redis_time_failed", { error: messageOf(error) });
    } finally {
      this.#isSampling = false;
    }
  }
}

const nothingToTell: readonly SentGroup[] = [];

function isStored(outcome: SendOutcome): boolean {
  return outcome.type === "done" && outcome.results.every(({ ok }) => ok);
}

function isSlow({ groups }: OutboxBatch<RedisStream>, waitedMs: number): boolean {
  return groups.some(({ stream: { options } }) => options.slowMs > 0 && waitedMs > options.slowMs);
}

function sentGroup(
  { stream, waiters }: OutboxGroup<RedisStream>,
  index: number,
  outcome: SendOutcome,
): SentGroup {
  const result = outcome.type === "done" ? outcome.results[index] : undefined;
  const hasPlace = result?.ok === true;
  const traces: SentTrace[] = [];
  for (const [at, { trace }] of waiters.entries())
    if (trace !== null) traces.push({ index: at, trace });
  return {
    stream,
    count: waiters.length,
    firstOffset: hasPlace ? result.firstOffset : 0,
    epoch: hasPlace ? result.epoch : "",
    error: hasPlace ? null : errorOf(outcome, index),
    traces,
  };
}

function errorOf(outcome: SendOutcome, index: number): string {
  if (outcome.type === "refused") return outcome.error.info.name;
  const result = outcome.type === "done" ? outcome.results[index] : undefined;
  return result?.ok === false ? result.error.info.name : "publish_unknown";
}
