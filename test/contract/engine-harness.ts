import type { BrokerError } from "../../broker/api.ts";
import { publicationsOf } from "../../broker/channels/history.ts";
import type { NamespaceOptions } from "../../broker/channels/namespace.ts";
import type { Engine, HistoryQuery, PublishAck } from "../../broker/engine/engine.ts";
import type { Stream, StreamListener } from "../../broker/engine/stream.ts";
import type { HistoryItem, HistoryResult } from "../../protocol/messages/history.ts";
import type { PresenceMember } from "../../protocol/messages/presence.ts";

/** What an engine is made with for one test. */
export interface EngineSettings {
  readonly idempotencyWindowMs: number;
  readonly idempotencyKeys: number;
  readonly channelIdleMs: number;
}

/** One engine under test, started by the contract. */
export interface EngineUnderTest extends AsyncDisposable {
  readonly engine: Engine;
  /** Resolves when everything asked of the engine so far has had its effects here. */
  settle(): Promise<void>;
  /** Lets the engine's time pass; null when its time cannot be moved, which skips what needs it. */
  readonly advance: ((ms: number) => Promise<void>) | null;
  /** The engine's monotonic time, ms. */
  nowMs(): number;
}

export interface EngineFactory {
  /** Whether time can be moved, said before an engine is made. */
  readonly canAdvance: boolean;
  /** Whether closing a stream ends its epoch. */
  readonly closeEndsEpoch: boolean;
  /**
   * Streams are kept outside of this process. Then an acknowledgement, which comes from where they are kept,
   * may be here before the publication is; channels without history have an order but no offsets and no ids
   * that all nodes share; and ids are bounded by their time alone. Default: false.
   */
  readonly isShared?: boolean;
  /** What channels are opened with, where a test does not say; default: `NAMESPACE`. */
  readonly namespace?: NamespaceOptions;
  create(settings: EngineSettings): Promise<EngineUnderTest>;
}

export const SETTINGS: EngineSettings = {
  idempotencyWindowMs: 10_000,
  idempotencyKeys: 100,
  channelIdleMs: 60_000,
};

export const NAMESPACE: NamespaceOptions = {
  pattern: ">",
  historySize: 50,
  historyTtlMs: 30_000,
  flushIntervalMs: 0,
  presence: true,
  maxPayloadBytes: 1024 * 1024,
  maxSubscribers: 0,
  ack: "accepted",
  routing: "partition",
  delivery: "total",
  traceRate: 0,
  slowMs: 0,
};

/** What a publish led to. */
export interface PublishOutcome {
  readonly offset: number;
  /** Whether the offset was known when `publish` returned. */
  readonly wasImmediate: boolean;
}

/** Stands where the hub's channel stands: takes what is pending when it must, and when it is told to. */
export class RecordingListener implements StreamListener {
  readonly #stream: Stream;
  readonly taken: HistoryItem[] = [];
  readonly presence: string[] = [];
  appendedCount = 0;
  mustTakeCount = 0;
  epochChanges = 0;
  resets = 0;
  /** Something the contract forbids, found while being called. */
  readonly faults: string[] = [];

  constructor(stream: Stream) {
    this.#stream = stream;
    stream.listener = this;
  }

  mustTake(): void {
    this.mustTakeCount++;
    if (this.#stream.log.pendingCount === 0) this.faults.push("mustTake with nothing pending");
    this.take();
  }

  appended(): void {
    this.appendedCount++;
    if (this.#stream.log.pendingCount === 0) this.faults.push("appended with nothing pending");
  }

  epochChanged(): void {
    this.epochChanges++;
  }

  reset(): void {
    this.resets++;
  }

  presenceChanged(type: "join" | "leave", member: PresenceMember): void {
    this.presence.push(`${type} ${member.connection} ${member.user ?? "-"}`);
  }

  /** Takes what is pending, as the end of a tick does. */
  take(): void {
    const slice = this.#stream.log.takePending();
    if (slice !== null) this.taken.push(...publicationsOf(slice));
  }
}

/** Waits for an engine's answers, whether they come at once or later, and counts them. */
export class EngineBench implements AsyncDisposable {
  readonly #under: EngineUnderTest;
  readonly #isShared: boolean;
  readonly #namespace: NamespaceOptions;
  readonly #listeners: RecordingListener[] = [];
  #lastRequestId = 0;

  constructor(under: EngineUnderTest, isShared: boolean, namespace = NAMESPACE) {
    this.#under = under;
    this.#isShared = isShared;
    this.#namespace = namespace;
  }

  static async start(factory: EngineFactory, settings: EngineSettings = SETTINGS) {
    const under = await factory.create(settings);
    await under.engine.start();
    await under.settle();
    return new EngineBench(under, factory.isShared ?? false, factory.namespace);
  }

  get engine(): Engine {
    return this.#under.engine;
  }

  nowMs(): number {
    return this.#under.nowMs();
  }

  /** Everything asked so far is done, and the tick has ended: listeners have taken what was pending. */
  async settle(): Promise<void> {
    await this.#under.settle();
    for (const listener of this.#listeners) listener.take();
  }

  async advance(ms: number): Promise<void> {
    if (this.#under.advance === null) throw new Error("this engine's time cannot be moved");
    await this.#under.advance(ms);
  }

  /** A stream nobody on this node is interested in yet. */
  open(name: string, options: Partial<NamespaceOptions> = {}): Stream {
    return this.engine.open(name, { ...this.#namespace, ...options });
  }

  /** A stream as the hub holds it: with a listener, and an interest taken. */
  async attached(name: string, options: Partial<NamespaceOptions> = {}) {
    const stream = this.open(name, options);
    const listener = new RecordingListener(stream);
    this.#listeners.push(listener);
    await this.engine.attach(stream);
    return { stream, listener };
  }

  /** Publishes and resolves to the outcome; rejects when the engine answers twice or with an error. */
  publish(
    stream: Stream,
    payload: Uint8Array | string,
    options: { meta?: Uint8Array; id?: string } = {},
  ): Promise<PublishOutcome> {
    const bytes = typeof payload === "string" ? new TextEncoder().encode(payload) : payload;
    const requestId = ++this.#lastRequestId;
    return new Promise((resolve, reject) => {
      let answers = 0;
      const answered = (offset: number, wasImmediate: boolean): void => {
        if (++answers > 1) reject(new Error("answered twice"));
        else if (!this.#isShared && stream.log.offset < offset)
          reject(new Error("acknowledged before it was stored"));
        else resolve({ offset, wasImmediate });
      };
      // Of a shared stream, none is known without an interest, nor without history.
      const isEpochOf = ({ epoch }: Stream, told: string): boolean =>
        epoch === told || (this.#isShared && (epoch === "" || told === ""));
      const ack: PublishAck = {
        published(id: number, offset: number, epoch: string): void {
          if (id !== requestId) reject(new Error(`answered request ${id}, not ${requestId}`));
          else if (!isEpochOf(stream, epoch)) reject(new Error("answered with another epoch"));
          else answered(offset, false);
        },
        publishFailed(_id: number, error: BrokerError): void {
          reject(error);
        },
      };
      // In the midst of a message that is overwritten as soon as the engine has returned.
      const message = new Uint8Array(bytes.length + 7);
      message.set(bytes, 3);
      const { meta = null, id = null } = options;
      const end = 3 + bytes.length;
      const offset = this.engine.publish(stream, message, 3, end, meta, id, ack, requestId);
      message.fill(0xee);
      if (offset > 0) answered(offset, true);
    });
  }

  /** Publishes texts one after the other. */
  async publishAll(stream: Stream, texts: readonly string[]): Promise<number[]> {
    const outcomes = await Promise.all(texts.map((text) => this.publish(stream, text)));
    await this.settle();
    return outcomes.map(({ offset }) => offset);
  }

  async history(stream: Stream, query: Partial<HistoryQuery> = {}): Promise<HistoryResult> {
    return this.engine.history(stream, { limit: 1000, since: null, ...query });
  }

  async texts(stream: Stream, query: Partial<HistoryQuery> = {}): Promise<string[]> {
    return textsOf((await this.history(stream, query)).publications);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.engine.stop();
    await this.#under[Symbol.asyncDispose]();
  }
}

export function textsOf(items: readonly HistoryItem[]): string[] {
  return items.map(({ payload }) => new TextDecoder().decode(payload));
}

/** `a1, a2, ... a<count>`: texts to publish. */
export function numbered(prefix: string, count: number, from = 1): string[] {
  return Array.from({ length: count }, (_, i) => `${prefix}${from + i}`);
}
