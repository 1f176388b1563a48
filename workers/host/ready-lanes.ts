import { Fifo } from "./fifo.ts";
import type { Flight } from "./flight.ts";
import type { Lane } from "./lane.ts";

/** What waits for the workers of a set: lanes in line, and in front of them flights that isolate a fault. */
export class ReadyLanes {
  /** One queue for all workers; or one for each, when lanes are pinned. */
  #queues: readonly Fifo<Lane>[] = [new Fifo()];
  readonly #isolating: readonly Fifo<Flight>[];

  constructor(workers: number) {
    this.#isolating = Array.from({ length: workers }, () => new Fifo());
  }

  get isShared(): boolean {
    return this.#queues.length === 1;
  }

  /** Gives each worker a queue of its own, or all of them one. */
  pin(isPinned: boolean): void {
    const queues = isPinned ? this.#isolating.length : 1;
    if (queues === this.#queues.length) return;
    const waiting = this.takeAll();
    this.#queues = Array.from({ length: queues }, () => new Fifo());
    for (const lane of waiting) this.push(lane);
  }

  push(lane: Lane): void {
    lane.state = "ready";
    this.#queues[lane.hash % this.#queues.length]?.push(lane);
  }

  /** Lanes that a worker may take. */
  of(worker: number): Fifo<Lane> {
    return this.#queues[this.isShared ? 0 : worker] as Fifo<Lane>;
  }

  takeFirst(): Lane | null {
    for (const queue of this.#queues) {
      const lane = queue.shift();
      if (lane !== undefined) return lane;
    }
    return null;
  }

  takeAll(): Lane[] {
    return this.#queues.flatMap((queue) => drained(queue));
  }

  /**
   * Puts the parts of a flight in front of what an earlier fault has left over: that comes behind this flight in its
   * lanes.
   */
  isolate(worker: number, parts: readonly Flight[]): void {
    const queue = this.#isolating[worker] as Fifo<Flight>;
    const behind = queue.length;
    for (const part of parts) queue.push(part);
    for (let i = 0; i < behind; i++) queue.push(queue.shift() as Flight);
  }

  nextIsolating(worker: number): Flight | undefined {
    return this.#isolating[worker]?.shift();
  }

  /** Hands what one worker had to isolate to another. */
  moveIsolating(from: number, to: number): void {
    for (const flight of drained(this.#isolating[from] as Fifo<Flight>)) {
      this.#isolating[to]?.push(flight);
    }
  }

  takeIsolating(worker: number): Flight[] {
    return drained(this.#isolating[worker] as Fifo<Flight>);
  }
}

function drained<Item>(queue: Fifo<Item>): Item[] {
  const items: Item[] = [];
  for (let item = queue.shift(); item !== undefined; item = queue.shift()) items.push(item);
  return items;
}
