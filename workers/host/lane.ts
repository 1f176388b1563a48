import type { Chunk } from "./arena.ts";
import { Fifo } from "./fifo.ts";

/** What is done with a message of a lane when its turn comes. */
export const EntryMode = {
  /** It crosses to a worker. */
  run: 0,
  /** It passes unchanged: no stage matches it, or its lane was full and the policy is to let it by. */
  skip: 1,
  /** It is dropped for newer ones; its bytes are given back already. */
  shed: 2,
} as const;
export type EntryMode = (typeof EntryMode)[keyof typeof EntryMode];

/** One publication on its way. */
export interface Entry {
  readonly lane: Lane;
  readonly channel: string;
  readonly ticket: unknown;
  readonly meta: Uint8Array | null;
  readonly chunk: Chunk;
  /** Its payload is `chunk.bytes[start, end)`. */
  readonly start: number;
  readonly end: number;
  /** Wall clock, ms. */
  readonly enteredMs: number;
  mode: EntryMode;
}

/**
 *   idle --submit--> ready --crossing--> flying --settled--> ready or gone
 *                      held: between two workers, or until its state is built
 */
export type LaneState = "idle" | "ready" | "flying" | "held";

/** What keeps one channel's (or key's) order: at most one crossing of it is under way. */
export class Lane {
  readonly id: string;
  readonly channel: string;
  /** Of its id: which worker keeps its state. */
  readonly hash: number;
  readonly waiting = new Fifo<Entry>();
  /** Messages that wait and are to run; those shed or passed by are not among them. */
  runnable = 0;
  /** Messages taken out of `waiting` and not settled. */
  flying = 0;
  state: LaneState = "idle";
  /** Cleared when it is empty and forgotten; a later publication gets a new one. */
  isLive = true;
  /** Messages at the head of `waiting` known not to run, so that shedding does not look at them again. */
  #passedOver = 0;

  constructor(id: string, channel: string) {
    this.id = id;
    this.channel = channel;
    this.hash = Bun.hash.xxHash32(id);
  }

  push(entry: Entry): void {
    this.waiting.push(entry);
    if (entry.mode === EntryMode.run) this.runnable++;
  }

  shift(): Entry | undefined {
    const entry = this.waiting.shift();
    if (entry === undefined) return undefined;
    if (entry.mode === EntryMode.run) this.runnable--;
    if (this.#passedOver > 0) this.#passedOver--;
    this.flying++;
    return entry;
  }

  /** Takes the oldest message that waits to run out of the running; it keeps its place. For a lane that sheds. */
  shedOldest(): Entry | undefined {
    for (; this.#passedOver < this.waiting.length; this.#passedOver++) {
      const entry = this.waiting.at(this.#passedOver);
      if (entry === undefined || entry.mode !== EntryMode.run) continue;
      entry.mode = EntryMode.shed;
      this.runnable--;
      return entry;
    }
    return undefined;
  }
}
