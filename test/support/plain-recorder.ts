import type { BatchArrival, FlightRecord } from "../../broker/tracing/flight-recorder.ts";

/** What the flight recorder does, as a plain list: the twin its property test holds it equal to. */
export class PlainRecorder {
  readonly #capacity: number;
  readonly #records: FlightRecord[] = [];
  #forgotten = 0;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  get next(): number {
    return this.#forgotten + this.#records.length;
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
    this.#records.push({
      channelId,
      firstOffset,
      count,
      bytes,
      subscribers,
      queued,
      startedMs,
      fanOutStartedMs,
      fanOutEndedMs,
      arrival,
    });
    if (this.#records.length <= this.#capacity) return;
    this.#records.shift();
    this.#forgotten++;
  }

  read(number: number): FlightRecord | null {
    return this.#records[number - this.#forgotten] ?? null;
  }

  find(channelId: number, offset: number): FlightRecord | null {
    const ofChannel = this.#records.filter((record) => record.channelId === channelId);
    // Of a channel whose offsets began anew, what was before does not count.
    const newest = ofChannel.findLast((record) => record.firstOffset <= offset);
    return newest !== undefined && offset < newest.firstOffset + newest.count ? newest : null;
  }
}
