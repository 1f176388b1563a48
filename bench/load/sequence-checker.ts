/** What went wrong with the deliveries of a cell; all 0 is the only good answer. */
export interface Faults {
  /** Never arrived. */
  readonly lost: number;
  /** Arrived again. */
  readonly duplicated: number;
  /** Arrived after one with a higher number. */
  readonly inverted: number;
  /** Carried something else than was published; what should have come instead counts as lost too. */
  readonly corrupt: number;
  /** The first fault in words; null when there is none. */
  readonly first: string | null;
}

export const noFaults: Faults = { lost: 0, duplicated: 0, inverted: 0, corrupt: 0, first: null };

export function hasFaults(faults: Faults): boolean {
  return faults.first !== null;
}

export function addFaults(a: Faults, b: Faults): Faults {
  return {
    lost: a.lost + b.lost,
    duplicated: a.duplicated + b.duplicated,
    inverted: a.inverted + b.inverted,
    corrupt: a.corrupt + b.corrupt,
    first: a.first ?? b.first,
  };
}

/** Numbers remembered as missing, to tell an inversion from a duplicate. Past it, both count as duplicated. */
const MAX_REMEMBERED = 65_536;

/** Holds one stream of numbers to first, first + 1, first + 2, ... and counts how it strays. */
export class SequenceChecker {
  readonly #what: string;
  #expected: number;
  #skipped = 0;
  #duplicated = 0;
  #inverted = 0;
  #first: string | null = null;
  readonly #missing = new Set<number>();

  /** @param what names the stream in the description of a fault */
  constructor(what: string, first: number) {
    this.#what = what;
    this.#expected = first;
  }

  accept(value: number): void {
    if (value === this.#expected) this.#expected = value + 1;
    else this.#stray(value);
  }

  /** The count of faults when `last` was the last number sent. */
  finish(last: number): Faults {
    if (this.#expected <= last) {
      this.#note(`ends at ${this.#expected - 1}, ${last} were sent`);
      this.#skipped += last + 1 - this.#expected;
      this.#expected = last + 1;
    }
    return {
      lost: this.#skipped - this.#inverted,
      duplicated: this.#duplicated,
      inverted: this.#inverted,
      corrupt: 0,
      first: this.#first,
    };
  }

  #stray(value: number): void {
    this.#note(`${value} came where ${this.#expected} was due`);
    if (value > this.#expected) {
      for (let n = this.#expected; n < value && this.#missing.size < MAX_REMEMBERED; n++) {
        this.#missing.add(n);
      }
      this.#skipped += value - this.#expected;
      this.#expected = value + 1;
    } else if (this.#missing.delete(value)) this.#inverted++;
    else this.#duplicated++;
  }

  #note(fault: string): void {
    this.#first ??= `${this.#what}: ${fault}`;
  }
}
