/** A trace that is an example of what a bucket holds. */
export interface Exemplar {
  readonly traceId: string;
  readonly spanId: string;
  readonly valueMs: number;
  /** Wall clock ms. */
  readonly atMs: number;
}

/** A histogram in plain numbers: `counts[i]` holds what is at most `boundsMs[i]`, the last the rest. */
export class Histogram {
  readonly boundsMs: readonly number[];
  readonly counts: number[];
  /** The newest example of each bucket; only what is traced makes one. */
  readonly exemplars: (Exemplar | null)[];
  sumMs = 0;
  count = 0;

  constructor(boundsMs: readonly number[]) {
    this.boundsMs = boundsMs;
    this.counts = Array.from({ length: boundsMs.length + 1 }, () => 0);
    this.exemplars = Array.from({ length: boundsMs.length + 1 }, () => null);
  }

  /** Records `times` equal values. */
  record(valueMs: number, times = 1): void {
    const i = this.#bucket(valueMs);
    this.counts[i] = (this.counts[i] as number) + times;
    this.sumMs += valueMs * times;
    this.count += times;
  }

  #bucket(valueMs: number): number {
    const { boundsMs } = this;
    let i = 0;
    while (i < boundsMs.length && valueMs > (boundsMs[i] as number)) i++;
    return i;
  }

  /** Names a trace for the bucket of its value, which is recorded by itself. */
  exemplify(exemplar: Exemplar): void {
    this.exemplars[this.#bucket(exemplar.valueMs)] = exemplar;
  }
}
