import type { StandardSchema } from "./standard-schema.ts";

/** Version of the interface between the broker and transforms. A broker takes this one and the one before. */
export const TRANSFORM_API = 1;

/**
 * A publication on its way through a transform. Without a verdict it passes unchanged; a second verdict replaces the
 * first. Give it before the loop goes on to the next message (an `async` transform has until `process` is done);
 * later it is refused with an error. When `process` throws in the turn of a message, that message alone is tried
 * again and then has failed.
 */
export interface TransformMessage {
  /** Place in the batch, from 0. */
  readonly index: number;
  readonly channel: string;
  /** Payload bytes, valid until `process` is done. Not to be written to. */
  readonly bytes: Uint8Array;
  /** Conflation key, when the publisher set one. */
  readonly key: string | null;
  /** Publication id, when the publisher set one. */
  readonly id: string | null;
  /** User of the publishing connection; null for an anonymous one. */
  readonly user: string | null;
  header(name: string): string | null;
  /** The payload as UTF-8 text. */
  text(): string;
  /** The payload as JSON. @throws SyntaxError */
  json(): unknown;
  /**
   * The payload as msgpack (plain msgpack and its timestamp), or as JSON when it is longer than a byte and begins as
   * text. @throws SyntaxError
   */
  decode(): unknown;

  /** Publishes this instead. Bytes go as they are, strings as UTF-8, anything else as msgpack. */
  replace(payload: Payload): void;
  /** Publishes this instead, as JSON text. */
  replaceJson(value: unknown): void;
  /** Publishes nothing; the publisher is told so by an offset of 0. */
  drop(reason?: string): void;
  /** Leaves it to the binding's failure policy. */
  fail(error: Error | string): void;
  /**
   * Publishes on another channel as well, unless the message fails. It passes no further transform.
   * @throws Error when the binding does not allow the channel, and over `limits.maxEmissions`
   */
  emit(channel: string, payload: Payload, options?: { readonly key?: string }): void;
  /** @throws TypeError, RangeError over the bounds of headers */
  setHeader(name: string, value: string): void;
}

/** What a transform may hand out. */
export type Payload = Uint8Array | string | number | boolean | null | object;

export interface TransformLogger {
  readonly debug: (message: string, fields?: Readonly<Record<string, unknown>>) => void;
  readonly info: (message: string, fields?: Readonly<Record<string, unknown>>) => void;
  readonly warn: (message: string, fields?: Readonly<Record<string, unknown>>) => void;
  readonly error: (message: string, fields?: Readonly<Record<string, unknown>>) => void;
}

export interface TransformMetrics {
  /** Adds to a counter of this transform, exported as `tickwire_transform_custom_total{name}`. */
  readonly count: (name: string, value?: number) => void;
  /** Records a value, exported as count and sum. */
  readonly observe: (name: string, value: number) => void;
}

/** What `process` works with. */
export interface TransformContext<State, Config, Lane> {
  /** What `setup` returned in this worker. */
  readonly state: State;
  readonly config: Config;
  /** State of the channel (or key) this message belongs to; only with `lane`. */
  readonly lane: (message: TransformMessage) => Lane;
  /** 1, or more when the batch is run again after a fault. */
  readonly attempt: number;
  /** Wall clock, ms since 1970. */
  readonly now: () => number;
  readonly log: TransformLogger;
  readonly metrics: TransformMetrics;
}

/** What `setup` gets beside the configuration. */
export interface SetupHost {
  readonly worker: number;
  readonly log: TransformLogger;
}

/** Per lane: memory of its own for each channel (or key), kept on one worker, in order. */
export interface LaneState<Lane, State, Config> {
  create(channel: string, state: State, config: Config): Lane;
  /** For a planned move to another worker or version: anything the structured clone takes. */
  snapshot?(lane: Lane): unknown;
  restore?(snapshot: unknown, channel: string, state: State, config: Config): Lane;
  /**
   * Publications of the channel's history, oldest first, that a new lane is shown (through `replay`) when there
   * is no snapshot. What is stored is what the transform published.
   */
  readonly lookBack?: number;
  replay?(
    lane: Lane,
    message: Pick<TransformMessage, "channel" | "bytes" | "text" | "json" | "decode">,
  ): void;
}

export interface TransformLimits {
  /** Messages of one batch; default 256. */
  readonly batch?: number;
  /** Payload bytes of one batch; default 256 KiB. */
  readonly batchBytes?: number;
  /** Longest time for one message, ms; then its worker is ended. Default 1000. */
  readonly timeoutMs?: number;
  /** Heap of one worker, MiB, over which it is replaced; default 256. */
  readonly heapMb?: number;
  /** Emissions of one message; default 8. */
  readonly maxEmissions?: number;
  /** Messages one lane may have waiting; default 4096. */
  readonly laneQueue?: number;
}

/** What the broker itself looks at before anything crosses to a worker; what does not match passes unchanged. */
export interface TransformMatch {
  /** Channel patterns, within those of the binding. */
  readonly channels?: readonly string[];
  readonly minBytes?: number;
  readonly maxBytes?: number;
}

/**
 * What keeps order, and what is a lane: each channel, each conflation key of a channel, or nothing (then messages of a
 * channel may overtake each other).
 */
export type TransformOrder = "channel" | "key" | "none";

export interface TransformDefinition<
  Schema extends StandardSchema | undefined = undefined,
  State = undefined,
  Lane = undefined,
> {
  readonly api?: typeof TRANSFORM_API;
  /** Lower case words with hyphens. */
  readonly name: string;
  /** Semantic version. */
  readonly version: string;
  readonly description?: string;
  readonly match?: TransformMatch;
  /** Configuration, checked when the transform is loaded. */
  readonly config?: Schema;
  /** Default: "channel". */
  readonly order?: TransformOrder;
  /** `process` awaits I/O; a batch then is done when its promise is. Default false. */
  readonly async?: boolean;
  /** Must not be left out when it fails: forbids the failure policy `pass`. For redaction and the like. */
  readonly failClosed?: boolean;
  readonly limits?: TransformLimits;
  readonly lane?: LaneState<Lane, State, ConfigOf<Schema>>;
  /** Once in each worker, before the first batch. */
  setup?(config: ConfigOf<Schema>, host: SetupHost): State | Promise<State>;
  process(
    batch: Iterable<TransformMessage> & { readonly length: number },
    context: TransformContext<State, ConfigOf<Schema>, Lane>,
  ): void | Promise<void>;
  teardown?(state: State): void | Promise<void>;
}

export type ConfigOf<Schema> =
  Schema extends StandardSchema<infer _Input, infer Output> ? Output : undefined;
