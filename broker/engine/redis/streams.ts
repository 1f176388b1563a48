import type { NamespaceOptions } from "../../channels/namespace.ts";
import type { Clock } from "../../ports.ts";
import type { Stream } from "../stream.ts";
import type { Keys } from "./keys.ts";
import { RedisStream } from "./redis-stream.ts";

/** A stream that nobody uses is forgotten no sooner than this, ms. */
const MIN_IDLE_MS = 10_000;

export interface StreamsOptions {
  readonly keys: Keys;
  readonly clock: Clock;
  readonly channelIdleMs: number;
}

/** The channels that this node has open. */
export class Streams {
  readonly #options: StreamsOptions;
  readonly #byName = new Map<string, RedisStream>();
  #nextId = 1;

  constructor(options: StreamsOptions) {
    this.#options = options;
  }

  get byName(): ReadonlyMap<string, RedisStream> {
    return this.#byName;
  }

  open(name: string, options: NamespaceOptions): RedisStream {
    let stream = this.#byName.get(name);
    if (stream === undefined) {
      const { keys, clock, channelIdleMs } = this.#options;
      const nowMs = clock.nowMs();
      stream = new RedisStream(name, this.#nextId++, keys, options, nowMs, channelIdleMs);
      this.#byName.set(name, stream);
    }
    return stream;
  }

  close({ name }: Stream): void {
    this.#byName.delete(name);
  }

  /** Redis keeps the position: this node may forget the stream as soon as nobody uses it. */
  isIdle({ phase, lastUsedMs }: RedisStream, nowMs: number): boolean {
    return phase === "detached" && nowMs - lastUsedMs > MIN_IDLE_MS;
  }

  /** Lets go of publications that are too old. */
  trim(nowMs: number): void {
    for (const stream of this.#byName.values()) stream.log.trim(nowMs);
  }
}
