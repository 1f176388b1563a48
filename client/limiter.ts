type Task = (done: () => void) => void;

/** Lets at most `limit` tasks run at a time; the others wait in order. A task says, once, when it is done. */
export class Limiter {
  readonly #limit: number;
  #running = 0;
  #waiting: Task[] = [];
  #generation = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  run(task: Task): void {
    if (this.#running >= this.#limit) this.#waiting.push(task);
    else this.#start(task);
  }

  /** Forgets what waits and what runs; a late `done` of those changes nothing. */
  reset(): void {
    this.#generation++;
    this.#running = 0;
    this.#waiting = [];
  }

  #start(task: Task): void {
    const generation = this.#generation;
    this.#running++;
    task(() => {
      if (generation !== this.#generation) return;
      this.#running--;
      const next = this.#waiting.shift();
      if (next !== undefined) this.#start(next);
    });
  }
}
