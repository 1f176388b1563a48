import type { Child } from "../support/children.ts";

/**
 * Short beside what changes on a machine by itself (its clock, its neighbours), long beside what it takes to have
 * one's memory in the caches again.
 */
const SLICE_MS = 100;

/** Processes that run together, or not at all. */
export type Runner = readonly Pick<Child, "kill">[];

/**
 * Lets one of several runners run at a time, in turns, by stopping the others: whatever happens to the machine
 * happens to all of them alike. What a process uses of a processor counts only while it runs.
 */
export class TimeSlices implements Disposable {
  readonly #runners: Runner[] = [];
  #running: Runner | null = null;
  #timer: ReturnType<typeof setInterval> | null = null;

  /** Takes part from its next turn on. */
  add(runner: Runner): void {
    this.#runners.push(runner);
    stop(runner);
    if (this.#timer !== null) return;
    this.#timer = setInterval(() => this.#turn(), SLICE_MS);
    this.#turn();
  }

  /** Is done, and stays stopped until the end. */
  remove(runner: Runner): void {
    const at = this.#runners.indexOf(runner);
    if (at !== -1) this.#runners.splice(at, 1);
    if (this.#running !== runner) return;
    stop(runner);
    this.#running = null;
    this.#turn();
  }

  #turn(): void {
    const next = this.#runners.shift();
    if (next === undefined) return;
    this.#runners.push(next);
    if (next === this.#running) return;
    if (this.#running !== null) stop(this.#running);
    for (const process of next) process.kill("SIGCONT");
    this.#running = next;
  }

  /** Nobody takes part any more. The processes stay as they are. */
  [Symbol.dispose](): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#runners.length = 0;
  }
}

/** The last first: a broker is to find what its generator has sent. */
function stop(runner: Runner): void {
  for (const process of runner.toReversed()) process.kill("SIGSTOP");
}
