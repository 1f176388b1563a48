import type { PublicationMeta } from "../protocol/messages/meta.ts";
import { encodePublish, publishSize } from "../protocol/messages/publish.ts";
import type { PublishCommand, PublishedResult } from "../protocol/messages/publish.ts";
import { Code } from "./codes.ts";
import type { Connector } from "./connector.ts";
import { badServerFrame, closedError, fromCode, TickwireError } from "./errors.ts";
import { fields } from "./layout.ts";
import type { ResolvedOptions } from "./options.ts";
import type { Outgoing } from "./outgoing.ts";
import type { Requests } from "./requests.ts";
import { encodeFrame } from "./value-codec.ts";

/** Answers that may be due at a time. */
const MAX_IN_FLIGHT = 65_536;

/** A frame the client keeps: it waits for a connection, or may be sent again on the next. */
interface Kept {
  readonly frame: Uint8Array;
  /** Whether it may be sent again: it has an id, by which the broker knows it. */
  readonly isRepeatable: boolean;
  wasSent: boolean;
}

export interface PublisherParts {
  readonly options: ResolvedOptions;
  readonly requests: Requests;
  readonly outgoing: Outgoing;
  readonly connector: Connector;
  /** Told why something that wants no answer was not sent after all. */
  readonly onDropped: (error: TickwireError) => void;
}

/** Sends publications, holds them while there is no connection, and repeats those that carry an id. */
export class Publisher {
  readonly #parts: PublisherParts;
  /** By request id, or below 0 for what wants no answer; in the order of publishing. */
  readonly #kept = new Map<number, Kept>();
  #keptBytes = 0;
  #lastUnanswered = 0;

  constructor(parts: PublisherParts) {
    this.#parts = parts;
  }

  /** Bytes published that have not left this process. */
  get bufferedBytes(): number {
    const { outgoing, connector } = this.#parts;
    const waiting = connector.reply === null ? this.#keptBytes : 0;
    return outgoing.size + connector.bufferedBytes + waiting;
  }

  /** @param payload may be a view that is overwritten after the call */
  publish(
    channel: string,
    payload: Uint8Array,
    meta: PublicationMeta | null,
  ): Promise<PublishedResult> {
    const { requests } = this.#parts;
    return new Promise((resolve, reject) => {
      const id = requests.open({
        onReply: (reply) => {
          this.#release(id);
          try {
            resolve(fields("offset:u epoch:s", reply) as PublishedResult);
          } catch (error) {
            reject(badServerFrame(error));
          }
        },
        onError: (error) => {
          // What never left cannot have happened.
          const isUnsent = this.#release(id)?.wasSent === false;
          reject(isUnsent && error.mayHaveHappened ? notConnected("no connection in time") : error);
        },
        survives: () => this.#kept.has(id),
      });
      const refused = this.#submit({ id, channel, payload, meta });
      if (refused !== null) requests.fail(id, refused);
    });
  }

  /**
   * Publishes without an answer; false when it was refused for want of room or of a connection.
   * @throws TickwireError `too_large`, `closed`
   */
  send(channel: string, payload: Uint8Array, meta: PublicationMeta | null): boolean {
    const refused = this.#submit({ id: 0, channel, payload, meta });
    if (refused?.retry === "never") throw refused;
    return refused === null;
  }

  /** There is a connection: what was kept goes out first, in its order. */
  up(): void {
    const { requests, outgoing, onDropped } = this.#parts;
    for (const [id, kept] of this.#kept) {
      const tooLarge = this.#tooLarge(kept.frame.length);
      if (tooLarge === null) {
        kept.wasSent = true;
        outgoing.frame(kept.frame);
      } else if (id > 0) requests.fail(id, tooLarge);
      else onDropped(tooLarge);
      if (!kept.isRepeatable) this.#release(id);
    }
  }

  /** Forgets what wants no answer, and says so. The others fail with their requests. */
  end(): void {
    const count = [...this.#kept.keys()].filter((id) => id < 0).length;
    this.#kept.clear();
    this.#keptBytes = 0;
    if (count === 0) return;
    const message = `${count} publications that waited for a connection were given up`;
    this.#parts.onDropped(new TickwireError("publications_dropped", message));
  }

  /** Sends it, keeps it, or both; or says why not. */
  #submit(command: Omit<PublishCommand, "type">): TickwireError | null {
    const { connector, outgoing } = this.#parts;
    const { id, channel, payload, meta } = command;
    const isOnline = connector.reply !== null;
    if (isOnline && meta === null) {
      const refused = this.#refuse(publishSize(id, channel, payload.length));
      if (refused === null) outgoing.publish(id, channel, payload);
      return refused;
    }
    const frame = encodeFrame(encodePublish(command));
    const refused = this.#refuse(frame.length);
    if (refused !== null) return refused;
    const isRepeatable = id > 0 && meta !== null && meta.id !== null;
    if (!isOnline || isRepeatable) {
      this.#kept.set(id || --this.#lastUnanswered, { frame, isRepeatable, wasSent: isOnline });
      this.#keptBytes += frame.length;
    }
    if (isOnline) outgoing.frame(frame);
    return null;
  }

  #refuse(size: number): TickwireError | null {
    const { connector, outgoing, options, requests } = this.#parts;
    const { queue, maxBufferedBytes } = options;
    if (connector.state === "closed") return closedError();
    let isFull: boolean;
    if (connector.reply === null) {
      if (queue.maxCount === 0) return notConnected("there is no connection");
      isFull = this.#kept.size >= queue.maxCount || this.#keptBytes + size > queue.maxBytes;
    } else {
      const heldBytes = outgoing.size + connector.bufferedBytes + this.#keptBytes;
      // An empty socket takes any one publication, however small the bound.
      isFull = heldBytes > 0 && heldBytes + size > maxBufferedBytes;
    }
    if (!isFull && requests.size <= MAX_IN_FLIGHT) return this.#tooLarge(size);
    return new TickwireError("queue_full", "too much waits already", { retry: "backoff" });
  }

  /** Against what the broker of the current connection takes; it would cut the connection. */
  #tooLarge(size: number): TickwireError | null {
    const maxBytes = this.#parts.connector.reply?.limits.maxMessageBytes ?? size;
    if (size <= maxBytes) return null;
    return fromCode(Code.tooLarge, `${size} bytes; the broker takes ${maxBytes}`);
  }

  #release(id: number): Kept | undefined {
    const kept = this.#kept.get(id);
    if (kept !== undefined) {
      this.#kept.delete(id);
      this.#keptBytes -= kept.frame.length;
    }
    return kept;
  }
}

export function notConnected(message: string): TickwireError {
  return new TickwireError("not_connected", message, { retry: "backoff" });
}
