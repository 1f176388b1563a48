import type { Arena } from "./arena.ts";
import { preciseWallMs } from "./context.ts";
import { MAX_PIPELINE_BYTES, MAX_PIPELINE_MESSAGES, SHED_FACTOR } from "./host-options.ts";
import type { ShedPolicy, TransformRefusal } from "./host-types.ts";
import type { LaneBook } from "./lane-book.ts";
import { EntryMode } from "./lane.ts";
import type { Lane } from "./lane.ts";

const STOPPING: TransformRefusal = {
  code: "unavailable",
  message: "the broker is stopping",
  retryAfterMs: null,
};

export interface IntakeOptions {
  readonly arena: Arena;
  readonly lanes: LaneBook;
  readonly shed: ShedPolicy;
  /** Messages one lane may have waiting. */
  readonly laneQueue: () => number;
  /** How long until the lanes move again, when all is refused now: an open breaker under the policy "nack". */
  readonly closedForMs: () => number | null;
  readonly pending: () => number;
}

/** The way in, with its bounds. */
export class Intake {
  readonly #options: IntakeOptions;
  #isStopping = false;
  /** Messages taken in, ever. */
  taken = 0;
  /** Messages refused, ever. */
  refused = 0;

  constructor(options: IntakeOptions) {
    this.#options = options;
  }

  stop(): void {
    this.#isStopping = true;
  }

  /** Takes a message in, or says why not. Called for each publication: it allocates one record, and waits for nothing. */
  take(
    lane: Lane,
    channel: string,
    source: Uint8Array,
    start: number,
    end: number,
    meta: Uint8Array | null,
    ticket: unknown,
    isMatching: boolean,
  ): TransformRefusal | null {
    const { arena, lanes } = this.#options;
    let mode: EntryMode = isMatching ? EntryMode.run : EntryMode.skip;
    const limit = this.#options.laneQueue();
    if (lane.waiting.length >= limit || this.#isTight(end - start)) {
      const refusal = this.#refusal(lane, end - start, limit * SHED_FACTOR);
      if (refusal !== null) {
        this.refused++;
        lanes.dropIfEmpty(lane);
        return refusal;
      }
      if (isMatching && lane.runnable >= limit) mode = this.#shedFor(lane);
    }
    const chunk = arena.take(source, start, end);
    lane.push({
      lane,
      channel,
      ticket,
      meta: meta === null ? null : meta.slice(),
      chunk,
      start: chunk.used - (end - start),
      end: chunk.used,
      enteredMs: preciseWallMs(),
      mode,
    });
    this.taken++;
    if (lane.state === "idle") lanes.filled(lane);
    return null;
  }

  #isTight(size: number): boolean {
    const { arena, pending, closedForMs } = this.#options;
    return (
      this.#isStopping ||
      pending() >= MAX_PIPELINE_MESSAGES ||
      arena.heldBytes + size > MAX_PIPELINE_BYTES ||
      closedForMs() !== null
    );
  }

  #refusal(lane: Lane, size: number, hardLimit: number): TransformRefusal | null {
    if (this.#isStopping) return STOPPING;
    const { arena, pending, closedForMs, shed } = this.#options;
    const closedMs = closedForMs();
    if (closedMs !== null) {
      const message = "the channel's transform is out of order";
      return { code: "transformFailed", message, retryAfterMs: Math.ceil(closedMs) };
    }
    if (
      pending() >= MAX_PIPELINE_MESSAGES ||
      arena.heldBytes + size > MAX_PIPELINE_BYTES ||
      lane.waiting.length >= hardLimit ||
      shed === "reject"
    ) {
      const message = "too many publications wait for the channel's transform";
      return { code: "overloaded", message, retryAfterMs: RETRY_AFTER_MS };
    }
    return null;
  }

  /** Makes room in a full lane, or lets the newcomer by. */
  #shedFor(lane: Lane): EntryMode {
    if (this.#options.shed === "bypass") return EntryMode.skip;
    const oldest = lane.shedOldest();
    if (oldest !== undefined) this.#options.arena.give(oldest.chunk, oldest.end - oldest.start);
    return EntryMode.run;
  }
}

/** A full lane of quick messages is empty again in about this time, ms. */
const RETRY_AFTER_MS = 100;
