/** Where a batch came from, when another process or Redis had it before. Times of the cluster's clock. */
export interface BatchArrival {
  /** The run of a node that sent it, and that node's name; empty when it was read from history. */
  readonly producer: string;
  readonly node: string;
  /** When its oldest publication had come in there, and when it was handed to Redis. */
  readonly openedMs: number;
  readonly sentMs: number;
}

/** What is kept of one channel's batch: publications of one tick share their way and their times. */
export interface FlightRecord {
  readonly channelId: number;
  readonly firstOffset: number;
  readonly count: number;
  readonly bytes: number;
  readonly subscribers: number;
  /** Subscribers that were behind, or fell behind with it. */
  readonly queued: number;
  /** When its first publication came to this node, and when fan-out had it (clock ms). */
  readonly startedMs: number;
  readonly fanOutStartedMs: number;
  readonly fanOutEndedMs: number;
  readonly arrival: BatchArrival | null;
}

const INTEGERS = 7;
const TIMES = 6;

/** Runs of nodes that are told apart; a cluster has fewer. */
const MAX_PRODUCERS = 1024;

/**
 * The last batches that went out, in two typed arrays: writing a record allocates nothing and forgets the
 * oldest. Records are numbered from 0 without end.
 *
 *   integers  channelId | offset high | offset low | count | bytes | subscribers | queued
 *   times     started | fan-out started | fan-out ended | opened | sent | producer + 1, or 0 for none
 */
export class FlightRecorder {
  readonly #capacity: number;
  readonly #integers: Uint32Array;
  readonly #times: Float64Array;
  readonly #producers: BatchArrival[] = [];
  readonly #producerIndexes = new Map<string, number>();
  #next = 0;

  /** @param capacity records at most */
  constructor(capacity: number) {
    this.#capacity = capacity;
    this.#integers = new Uint32Array(capacity * INTEGERS);
    this.#times = new Float64Array(capacity * TIMES);
  }

  /** Number of the record that is written next. */
  get next(): number {
    return this.#next;
  }

  write(
    channelId: number,
    firstOffset: number,
    count: number,
    bytes: number,
    subscribers: number,
    queued: number,
    startedMs: number,
    fanOutStartedMs: number,
    fanOutEndedMs: number,
    arrival: BatchArrival | null,
  ): void {
    const slot = this.#next++ % this.#capacity;
    const integers = this.#integers;
    let at = slot * INTEGERS;
    integers[at] = channelId;
    integers[at + 1] = firstOffset / 0x1_0000_0000;
    integers[at + 2] = firstOffset;
    integers[at + 3] = count;
    integers[at + 4] = bytes;
    integers[at + 5] = subscribers;
    integers[at + 6] = queued;
    const times = this.#times;
    at = slot * TIMES;
    times[at] = startedMs;
    times[at + 1] = fanOutStartedMs;
    times[at + 2] = fanOutEndedMs;
    if (arrival === null) times[at + 5] = 0;
    else {
      times[at + 3] = arrival.openedMs;
      times[at + 4] = arrival.sentMs;
      times[at + 5] = this.#producerIndex(arrival) + 1;
    }
  }

  #producerIndex(arrival: BatchArrival): number {
    const known = this.#producerIndexes.get(arrival.producer);
    if (known !== undefined) return known;
    if (this.#producers.length >= MAX_PRODUCERS) {
      this.#producers.length = 0;
      this.#producerIndexes.clear();
    }
    const { producer, node } = arrival;
    this.#producerIndexes.set(producer, this.#producers.length);
    return this.#producers.push({ producer, node, openedMs: 0, sentMs: 0 }) - 1;
  }

  /** Null when it was never written, or has been overwritten. */
  read(number: number): FlightRecord | null {
    if (number < 0 || number >= this.#next || number < this.#next - this.#capacity) return null;
    const slot = number % this.#capacity;
    const integer = (field: number): number => this.#integers[slot * INTEGERS + field] as number;
    const time = (field: number): number => this.#times[slot * TIMES + field] as number;
    const from = time(5) === 0 ? undefined : this.#producers[time(5) - 1];
    return {
      channelId: integer(0),
      firstOffset: integer(1) * 0x1_0000_0000 + integer(2),
      count: integer(3),
      bytes: integer(4),
      subscribers: integer(5),
      queued: integer(6),
      startedMs: time(0),
      fanOutStartedMs: time(1),
      fanOutEndedMs: time(2),
      arrival: from === undefined ? null : { ...from, openedMs: time(3), sentMs: time(4) },
    };
  }

  /** The record that has this publication, newest first; null when it is not there any more. */
  find(channelId: number, offset: number): FlightRecord | null {
    const integers = this.#integers;
    const oldest = Math.max(0, this.#next - this.#capacity);
    for (let number = this.#next - 1; number >= oldest; number--) {
      const at = (number % this.#capacity) * INTEGERS;
      if (integers[at] !== channelId) continue;
      const first = (integers[at + 1] as number) * 0x1_0000_0000 + (integers[at + 2] as number);
      if (offset < first) continue;
      return offset < first + (integers[at + 3] as number) ? this.read(number) : null;
    }
    return null;
  }
}
