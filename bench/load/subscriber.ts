import { readSequence } from "./payload.ts";
import { addFaults, SequenceChecker } from "./sequence-checker.ts";
import type { Faults } from "./sequence-checker.ts";

/** What learns of deliveries: the closed or the open loop. */
export interface DeliverySink {
  /** One whole, known payload arrived at one subscriber. */
  delivered(publisher: number, sequence: number): void;
  /** A subscriber of this publisher has handled all that one read brought. */
  readEnded(publisher: number): void;
  failed(error: Error): void;
}

/** Holds the deliveries of one connection to what its publisher sent; sequences start at 1. */
export class Subscriber {
  readonly #publisher: number;
  readonly #payloadBytes: number;
  readonly #sink: DeliverySink;
  readonly #sequences: SequenceChecker;
  #offsets: SequenceChecker | null = null;
  #offsetBase = 0;
  #corrupt = 0;
  readonly #name: string;

  constructor(publisher: number, index: number, payloadBytes: number, sink: DeliverySink) {
    this.#publisher = publisher;
    this.#payloadBytes = payloadBytes;
    this.#sink = sink;
    this.#name = `publisher ${publisher}, subscriber ${index}`;
    this.#sequences = new SequenceChecker(`${this.#name}, sequence`, 1);
  }

  /** From now on offsets are checked too: the next one is `base` + 1. */
  startOffsets(base: number): void {
    this.#offsetBase = base;
    this.#offsets = new SequenceChecker(`${this.#name}, offset`, base + 1);
  }

  /** Takes the delivery whose payload is `bytes[start, end)`; `offset` is ignored where none is checked. */
  accept(bytes: Uint8Array, start: number, end: number, offset: number): void {
    const sequence = readSequence(bytes, start, end, this.#publisher, this.#payloadBytes);
    this.#offsets?.accept(offset);
    if (sequence < 0) {
      this.#corrupt++;
      return;
    }
    this.#sequences.accept(sequence);
    this.#sink.delivered(this.#publisher, sequence);
  }

  readEnded(): void {
    this.#sink.readEnded(this.#publisher);
  }

  failed(error: Error): void {
    this.#sink.failed(new Error(`${this.#name}: ${error.message}`, { cause: error }));
  }

  /** The faults when the publisher's last sequence was `last`. */
  finish(last: number): Faults {
    const faults = this.#sequences.finish(last);
    const offsetFaults = this.#offsets?.finish(this.#offsetBase + last);
    const corrupt = {
      lost: 0,
      duplicated: 0,
      inverted: 0,
      corrupt: this.#corrupt,
      first: this.#corrupt === 0 ? null : `${this.#name}: ${this.#corrupt} foreign or cut payloads`,
    };
    // Counted once: a lost publication misses both its sequence and its offset.
    const first = faults.first ?? offsetFaults?.first ?? null;
    return addFaults({ ...faults, first }, corrupt);
  }
}
