import { PROGRESS_BYTES } from "../boundary/worker-link.ts";

/** Tells the host how far a batch has got, while the worker can tell it nothing else. */
export class Progress {
  readonly #words: Int32Array;
  #begun = 0;

  /** @param memory shared with the host, as `LoadRequest.progress` says */
  constructor(memory: SharedArrayBuffer | null) {
    this.#words = new Int32Array(memory ?? new ArrayBuffer(PROGRESS_BYTES));
  }

  begin(batch: number): void {
    this.#begun = 0;
    Atomics.store(this.#words, 0, 0);
    Atomics.store(this.#words, 1, batch | 0);
  }

  begun(index: number, stage: number): void {
    const words = this.#words;
    words[2] = index;
    words[3] = stage;
    // The store in sequence comes last: whoever sees the number sees the place as well.
    Atomics.store(words, 0, ++this.#begun);
  }
}
