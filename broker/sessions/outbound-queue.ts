import type { Stats } from "../stats.ts";
import type { DeliveryStamp } from "../tracing/delivery-stamp.ts";

/** One message that waits for a socket that is behind. */
export interface QueuedMessage {
  readonly message: Uint8Array | string;
  /** Shares its memory with the log, and is not counted in `queuedBytes`. */
  readonly isReplay: boolean;
  /** Of the publications in it, where it is known what they are. */
  readonly stamp: DeliveryStamp | null;
  /** What waited before it. */
  readonly queuedBytes: number;
}

/** Publications that had to wait, and how much waited before them. */
export interface WaitedDelivery {
  readonly stamp: DeliveryStamp;
  readonly queuedBytes: number;
}

/** Messages that have been taken out stay in the array until there are this many of them. */
const TRIM_AT = 1024;

/** What waits for one session's socket, oldest first. Its owner sees to the bounds. */
export class OutboundQueue {
  readonly #stats: Stats;
  #messages: QueuedMessage[] = [];
  #head = 0;
  #queuedBytes = 0;
  #replayBytes = 0;

  /** @param stats has the sum of `queuedBytes` over all queues of the node */
  constructor(stats: Stats) {
    this.#stats = stats;
  }

  /** How many messages wait. */
  get size(): number {
    return this.#messages.length - this.#head;
  }

  /** Bytes (of text, characters) that wait, replays apart. */
  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  get replayBytes(): number {
    return this.#replayBytes;
  }

  push(message: Uint8Array | string, isReplay: boolean, stamp: DeliveryStamp | null): void {
    this.#messages.push({ message, isReplay, stamp, queuedBytes: this.#queuedBytes });
    if (isReplay) this.#replayBytes += message.length;
    else this.#count(message.length);
  }

  /** Takes the oldest out; undefined when nothing waits. After the last of several, `trim`. */
  shift(): QueuedMessage | undefined {
    if (this.#head === this.#messages.length) return undefined;
    const next = this.#messages[this.#head++] as QueuedMessage;
    if (next.isReplay) this.#replayBytes -= next.message.length;
    else this.#count(-next.message.length);
    return next;
  }

  /** Lets go of what was taken out. */
  trim(): void {
    if (this.#head === this.#messages.length) {
      this.#messages = [];
      this.#head = 0;
    } else if (this.#head > TRIM_AT) {
      this.#messages.splice(0, this.#head);
      this.#head = 0;
    }
  }

  /** The publications among what waits, oldest first. */
  waiting(): readonly WaitedDelivery[] {
    const waiting: WaitedDelivery[] = [];
    for (let i = this.#head; i < this.#messages.length; i++) {
      const { stamp, queuedBytes } = this.#messages[i] as QueuedMessage;
      if (stamp !== null) waiting.push({ stamp, queuedBytes });
    }
    return waiting;
  }

  /** Lets go of everything. Returns how many messages waited. */
  clear(): number {
    const { size } = this;
    this.#count(-this.#queuedBytes);
    this.#replayBytes = 0;
    this.#messages = [];
    this.#head = 0;
    return size;
  }

  #count(bytes: number): void {
    this.#queuedBytes += bytes;
    this.#stats.outboundQueuedBytes += bytes;
  }
}
