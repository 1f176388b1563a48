import type { Clock } from "./ports.ts";

/** Work that waits for the end of the event-loop tick. */
export interface TickWork {
  endTick(): void;
}

/**
 * One callback at the end of each event-loop tick in which something was published or answered.
 * setImmediate runs after every socket that was readable in this turn has been handled and before the
 * loop waits again, which makes it the point where everything of the turn can leave together.
 */
export class Tick {
  readonly #clock: Clock;
  readonly #work: TickWork[] = [];
  #isScheduled = false;
  /** Counts ticks; equal numbers mean the same tick. */
  number = 1;
  /** When the current tick's first work came in (clock ms). */
  startedMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Registers work, done in the order of registration. */
  add(work: TickWork): void {
    this.#work.push(work);
  }

  schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.startedMs = this.#clock.nowMs();
    setImmediate(this.#end);
  }

  readonly #end = (): void => {
    this.#isScheduled = false;
    this.number++;
    for (const work of this.#work) work.endTick();
  };
}
