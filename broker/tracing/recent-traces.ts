import type { DeliveryTrace } from "./delivery-trace.ts";

/** Parts of one trace that are kept. */
const MAX_PARTS = 32;

/** The last traces this node had a part in, so that one can be looked at where nobody collects them. */
export class RecentTraces {
  readonly #capacity: number;
  readonly #traces = new Map<string, DeliveryTrace[]>();

  /** @param capacity traces at most; the oldest goes first */
  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  get size(): number {
    return this.#traces.size;
  }

  add(trace: DeliveryTrace): void {
    const parts = this.#traces.get(trace.traceId);
    if (parts !== undefined) {
      if (parts.length < MAX_PARTS) parts.push(trace);
      return;
    }
    if (this.#traces.size >= this.#capacity) {
      for (const oldest of this.#traces.keys()) {
        this.#traces.delete(oldest);
        break;
      }
    }
    this.#traces.set(trace.traceId, [trace]);
  }

  /** This node's parts of a trace, oldest first. */
  find(traceId: string): readonly DeliveryTrace[] {
    return this.#traces.get(traceId) ?? [];
  }

  /** How a publication at this place went out from here, if that was traced: more of it then joins that. */
  atPlace(channel: string, epoch: string, offset: number): DeliveryTrace | null {
    for (const parts of this.#traces.values()) {
      for (const part of parts) {
        const { publication, fanOut } = part;
        if (fanOut === null || publication.offset !== offset || publication.channel !== channel)
          continue;
        if (publication.epoch === epoch) return part;
      }
    }
    return null;
  }

  /** The newest parts that were made, newest first. */
  newest(limit: number): readonly DeliveryTrace[] {
    return [...this.#traces.values()].flat().slice(-limit).toReversed();
  }
}
