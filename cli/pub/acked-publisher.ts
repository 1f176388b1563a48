import type { TickwireClient } from "../../client/index.ts";
import { TickwireError } from "../../client/index.ts";
import { Code } from "../../protocol/codes.ts";
import type { LinePublisher, PublishFailure } from "./line-publisher.ts";

/** Bytes that may wait for their acknowledgement. One publication always may. */
const MAX_IN_FLIGHT_BYTES = 16 * 1024 * 1024;
/** Before a repetition when the broker names no time, ms. */
const REPEAT_DELAY_MS = 250;

interface Item {
  readonly payload: Uint8Array;
  /** Its number in the input, from 1. */
  readonly number: number;
}

export interface AckedPublisherOptions {
  readonly client: TickwireClient;
  readonly channel: string;
  /** Publications that may wait for their acknowledgement. */
  readonly window: number;
  /** How long the broker may go on refusing for the moment, ms. */
  readonly giveUpMs: number;
}

/**
 * Publishes in order, many in flight, each until the broker has acknowledged it. Every publication has an id, so
 * that one whose answer was lost with its connection is published again without being doubled.
 *
 * What the broker refuses for the moment (a rate limit) is repeated in order, once everything in flight has been
 * answered, and the window is halved. What was in flight behind the first refusal may have overtaken it.
 */
export class AckedPublisher implements LinePublisher {
  readonly #options: AckedPublisherOptions;
  readonly #run = crypto.randomUUID().slice(0, 13);
  #window: number;
  #inFlight = 0;
  #inFlightBytes = 0;
  #refused: Item[] = [];
  #isRepeating = false;
  /** Of the first refusal since something was acknowledged; null when there is none. */
  #refusedSinceMs: number | null = null;
  #repeatDelayMs = REPEAT_DELAY_MS;
  #waiters: (() => void)[] = [];
  /** Acknowledged. */
  count = 0;
  bytes = 0;
  lastOffset: number | null = null;
  /** Taken without a place in the channel: a transform left them out, or nothing is stored there. */
  unplacedCount = 0;
  failure: PublishFailure | null = null;

  constructor(options: AckedPublisherOptions) {
    this.#options = options;
    this.#window = options.window;
  }

  get hasRoom(): boolean {
    return !this.#isRepeating && this.#hasWindow();
  }

  async room(): Promise<void> {
    while (!this.hasRoom && this.failure === null) await this.#changed();
  }

  publish(payload: Uint8Array, number: number): void {
    const maxBytes = this.#options.client.limits?.maxPayloadBytes ?? payload.length;
    // The client would say so too, but later: nothing behind such a line is to leave.
    if (payload.length > maxBytes) {
      const message = `${payload.length} bytes; the broker takes ${maxBytes} in one payload`;
      const { name, code } = Code.tooLarge;
      this.failure = { number, error: new TickwireError(name, message, { number: code }) };
    } else this.#send({ payload, number });
  }

  async finished(): Promise<void> {
    while (this.#inFlight > 0 || this.#isRepeating) await this.#changed();
  }

  #hasWindow(): boolean {
    return this.#inFlight < Math.floor(this.#window) && this.#inFlightBytes < MAX_IN_FLIGHT_BYTES;
  }

  #send(item: Item): void {
    const { client, channel } = this.#options;
    const { payload, number } = item;
    this.#inFlight++;
    this.#inFlightBytes += payload.length;
    const settled = (): void => {
      this.#inFlight--;
      this.#inFlightBytes -= payload.length;
      this.#wake();
    };
    client.publish(channel, payload, { id: `${this.#run}-${number}` }).then(
      ({ offset }) => {
        this.#acknowledged(payload.length, offset);
        settled();
      },
      (error: unknown) => {
        this.#failed(item, error as TickwireError);
        settled();
      },
    );
  }

  #acknowledged(bytes: number, offset: number): void {
    this.count++;
    this.bytes += bytes;
    this.lastOffset = offset;
    if (offset === 0) this.unplacedCount++;
    this.#refusedSinceMs = null;
    // Grows by one for every window that was acknowledged.
    this.#window = Math.min(this.#options.window, this.#window + 1 / this.#window);
  }

  #failed(item: Item, error: TickwireError): void {
    this.#refusedSinceMs ??= performance.now();
    const isLate = performance.now() - this.#refusedSinceMs > this.#options.giveUpMs;
    // A request that timed out has been repeated over reconnects for the whole of its time.
    if (error.retry === "never" || error.code === "request_timeout" || isLate) {
      const first = this.failure?.number ?? Number.POSITIVE_INFINITY;
      if (item.number < first) this.failure = { number: item.number, error };
      return;
    }
    this.#refused.push(item);
    this.#repeatDelayMs = error.retryAfterMs ?? REPEAT_DELAY_MS;
    if (!this.#isRepeating) void this.#repeat();
  }

  /** Publishes what was refused, in the order of the input, until nothing is. */
  async #repeat(): Promise<void> {
    this.#isRepeating = true;
    for (;;) {
      while (this.#inFlight > 0) await this.#changed();
      if (this.#refused.length === 0 || this.failure !== null) break;
      this.#window = Math.max(1, this.#window / 2);
      await Bun.sleep(this.#repeatDelayMs);
      const items = this.#refused.toSorted((a, b) => a.number - b.number);
      this.#refused = [];
      for (const [index, item] of items.entries()) {
        while (!this.#hasWindow()) await this.#changed();
        if (this.#refused.length > 0 || this.failure !== null) {
          this.#refused.push(...items.slice(index));
          break;
        }
        this.#send(item);
      }
    }
    this.#isRepeating = false;
    this.#wake();
  }

  #changed(): Promise<void> {
    return new Promise((resolve) => this.#waiters.push(resolve));
  }

  #wake(): void {
    for (const resolve of this.#waiters.splice(0)) resolve();
  }
}
