import type { PublicationMeta } from "../protocol/messages/meta.ts";
import { TickwireError } from "./errors.ts";
import type { Decode } from "./value-codec.ts";

/**
 * One publication as it arrived, shared by all subscriptions it is for. The payload is a range of the message
 * it came in, so that nothing is copied.
 */
export interface Delivery {
  readonly channel: string;
  readonly offset: number;
  readonly epoch: string;
  readonly meta: PublicationMeta | null;
  readonly source: Uint8Array;
  readonly start: number;
  readonly end: number;
}

/** One publication, as a subscription or a history read gives it. */
export class Publication<T = unknown> {
  /** Name of its channel, also under a pattern. */
  readonly channel: string;
  /** Place in the channel's stream; with `epoch` its position. */
  readonly offset: number;
  readonly epoch: string;
  /** Id, key, headers, trace context, publishing time and user; null when it carries none. */
  readonly meta: PublicationMeta | null;
  readonly #delivery: Delivery;
  readonly #decode: Decode<T>;
  #data: { readonly value: T } | null = null;

  constructor(delivery: Delivery, decode: Decode<T>) {
    this.channel = delivery.channel;
    this.offset = delivery.offset;
    this.epoch = delivery.epoch;
    this.meta = delivery.meta;
    this.#delivery = delivery;
    this.#decode = decode;
  }

  /** The payload as it came: a view, which keeps the message it came in alive. Copy it to keep it long. */
  get bytes(): Uint8Array {
    const { source, start, end } = this.#delivery;
    return source.subarray(start, end);
  }

  /**
   * The payload decoded, when first asked for.
   * @throws TickwireError `decode_failed`, whose cause says why; `bytes` are still there
   */
  get data(): T {
    this.#data ??= { value: this.#decoded() };
    return this.#data.value;
  }

  #decoded(): T {
    try {
      return this.#decode(this.bytes);
    } catch (error) {
      throw new TickwireError(
        "decode_failed",
        `offset ${this.offset} of ${this.channel} cannot be decoded`,
        { cause: error },
      );
    }
  }
}
