import type { Publisher } from "./publisher.ts";
import type { DeliverySink } from "./subscriber.ts";

/**
 * Keeps every publisher's window full. A publication takes a place in the window until all subscribers
 * of its channel have received it; the place is filled again at the end of the read that brought its last
 * delivery, with one write for all places that became free. So the load follows the broker: it is never
 * faster than deliveries are, and a broker that loses one stalls visibly.
 */
export class ClosedLoop implements DeliverySink {
  readonly #windows: Window[] = [];
  readonly #windowSize: number;
  readonly #subscribers: number;
  readonly #framesPerMessage: number;
  readonly #onFailure: (error: Error) => void;
  #isRunning = false;
  #deliveries = 0;

  constructor(options: {
    windowSize: number;
    subscribersPerChannel: number;
    framesPerMessage: number;
    onFailure: (error: Error) => void;
  }) {
    // A window of part messages would never be full.
    this.#windowSize =
      Math.ceil(options.windowSize / options.framesPerMessage) * options.framesPerMessage;
    this.#subscribers = options.subscribersPerChannel;
    this.#framesPerMessage = options.framesPerMessage;
    this.#onFailure = options.onFailure;
  }

  get deliveries(): number {
    return this.#deliveries;
  }

  start(publishers: readonly Publisher[]): void {
    for (const publisher of publishers) {
      this.#windows.push({
        publisher,
        completed: 0,
        arrivals: new Uint32Array(this.#windowSize),
      });
    }
    this.#isRunning = true;
    for (let i = 0; i < publishers.length; i++) this.readEnded(i);
  }

  /** Sends nothing more. */
  stop(): void {
    this.#isRunning = false;
  }

  delivered(publisher: number, sequence: number): void {
    const window = this.#windows[publisher] as Window;
    const slot = sequence % this.#windowSize;
    const arrivals = (window.arrivals[slot] as number) + 1;
    this.#deliveries++;
    if (arrivals < this.#subscribers) window.arrivals[slot] = arrivals;
    else {
      window.arrivals[slot] = 0;
      window.completed++;
    }
  }

  readEnded(publisher: number): void {
    if (!this.#isRunning) return;
    const window = this.#windows[publisher] as Window;
    const free = this.#windowSize - (window.publisher.sent - window.completed);
    if (free >= this.#framesPerMessage) {
      window.publisher.publish(Math.floor(free / this.#framesPerMessage));
    }
  }

  failed(error: Error): void {
    this.#onFailure(error);
  }
}

interface Window {
  readonly publisher: Publisher;
  /** Publications that all subscribers have. */
  completed: number;
  /** Deliveries so far of the publication with sequence % window size = index. */
  readonly arrivals: Uint32Array;
}
