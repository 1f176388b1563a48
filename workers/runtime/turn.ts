import type { TransformMessage } from "../sdk/transform.ts";
import type { Batch } from "./batch.ts";
import { MessageView } from "./message-view.ts";
import type { Turn } from "./message-view.ts";
import type { Progress } from "./progress.ts";

/** What a stage brings along for all of its turns. */
export interface TurnStage {
  readonly index: number;
  readonly isAsync: boolean;
  readonly maxPayloadBytes: number;
  readonly maxEmissions: number;
  mayEmit(channel: string): boolean;
}

/**
 * One call of `process`: the messages `alive[from, to)` of a batch, as the iterable that the call is given. Without
 * `async`, a verdict is only taken while its message is the one begun last: so everything before that one is
 * settled when the call throws.
 */
export class StageTurn implements Turn, Iterable<TransformMessage> {
  readonly batch: Batch;
  readonly stage: number;
  readonly length: number;
  readonly maxPayloadBytes: number;
  readonly maxEmissions: number;
  /** Place in `alive` of the message begun last; -1 before the first and behind the last one. */
  position = -1;
  /** Place in the batch of the message begun last; -1 when none was. */
  lastIndex = -1;
  /** What that message was before the stage. */
  #beforeType = 0;
  #beforeStart = 0;
  #beforeEnd = 0;
  readonly #stage: TurnStage;
  readonly #progress: Progress;
  readonly #from: number;
  readonly #to: number;
  #isOpen = true;

  constructor(batch: Batch, stage: TurnStage, progress: Progress, from: number, to: number) {
    this.batch = batch;
    this.stage = stage.index;
    this.length = to - from;
    this.maxPayloadBytes = stage.maxPayloadBytes;
    this.maxEmissions = stage.maxEmissions;
    this.#stage = stage;
    this.#progress = progress;
    this.#from = from;
    this.#to = to;
  }

  [Symbol.iterator](): Iterator<TransformMessage> {
    let next = this.#from;
    const result: { done: boolean; value: MessageView | undefined } = {
      done: false,
      value: undefined,
    };
    return {
      // One result for all: the loop has taken the view out of it before it asks again.
      next: () => {
        if (next < this.#to && this.#isOpen) result.value = this.#begin(next++);
        else {
          result.done = true;
          result.value = undefined;
          this.position = -1;
        }
        return result as IteratorResult<TransformMessage>;
      },
    };
  }

  #begin(position: number): MessageView {
    const { batch } = this;
    const index = batch.alive[position] as number;
    this.position = position;
    this.lastIndex = index;
    this.#beforeType = batch.types[index] as number;
    this.#beforeStart = batch.starts[index] as number;
    this.#beforeEnd = batch.ends[index] as number;
    this.#progress.begun(index, this.stage);
    return new MessageView(this, index);
  }

  /** Ends the call: from now on its views refuse everything. */
  close(): void {
    this.#isOpen = false;
  }

  /** Takes back what the stage has made of the message begun last. */
  undoLast(): void {
    this.batch.undo(
      this.lastIndex,
      this.stage,
      this.#beforeType,
      this.#beforeStart,
      this.#beforeEnd,
    );
  }

  checkOpen(): void {
    if (!this.#isOpen) {
      throw new Error("a message was used after process was done with its batch");
    }
  }

  checkVerdict(index: number): void {
    this.checkOpen();
    if (this.#stage.isAsync || (this.position !== -1 && index === this.lastIndex)) return;
    throw new Error(
      `message ${index} was given a verdict when its turn was over; ` +
        "decide before the loop goes on, or declare the transform `async: true`",
    );
  }

  mayEmit(channel: string): boolean {
    return this.#stage.mayEmit(channel);
  }
}
