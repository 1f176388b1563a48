import type { Breaker } from "./breaker.ts";
import { takeFlight } from "./flight.ts";
import type { Flight } from "./flight.ts";
import type { Lane } from "./lane.ts";
import type { ReadyLanes } from "./ready-lanes.ts";

/** The message let through an open breaker: first its lane, until a worker is there for it, then its flight. */
export class Probe {
  readonly #breaker: Breaker;
  #lane: Lane | null = null;
  #flight: Flight | null = null;

  constructor(breaker: Breaker) {
    this.#breaker = breaker;
  }

  /** Takes the first lane in line when it is time for a probe. The lane that waits for a worker, if any. */
  choose(ready: ReadyLanes, nowMs: number): Lane | null {
    if (this.#lane === null && this.#breaker.mayProbe(nowMs)) {
      this.#lane = ready.takeFirst();
      if (this.#lane !== null) this.#breaker.beginProbe();
    }
    return this.#lane;
  }

  /** The flight to be run, of one message of at most so many bytes; null when the lane has none. */
  takeFlight(maxBytes: number): Flight | null {
    // What was given up before it may have led here already.
    if (this.#lane === null) return null;
    const next = (): Lane | null => {
      const lane = this.#lane;
      this.#lane = null;
      return lane;
    };
    const flight = takeFlight(next, { messages: 1, bytes: maxBytes });
    if (flight === null || flight.crossing.length === 0) this.#breaker.cancelProbe();
    if (flight !== null) this.#flight = flight;
    return flight;
  }

  /** Closes the breaker when this is the flight that was let through; true when it is. */
  succeed(flight: Flight): boolean {
    if (flight !== this.#flight) return false;
    this.#flight = null;
    this.#breaker.close();
    return true;
  }

  /** The worker of this flight was lost: the next probe comes an interval later, if it was one. */
  lost(flight: Flight | null, nowMs: number): void {
    if (flight === null || flight !== this.#flight) return;
    this.#flight = null;
    this.#breaker.failProbe(nowMs);
  }

  /** There is no worker to be had. The lane that waited for it, if any. */
  failStart(nowMs: number): Lane | null {
    const lane = this.#lane;
    this.#lane = null;
    this.#breaker.failProbe(nowMs);
    return lane;
  }
}
