import { MAX_HISTORY_LIMIT } from "../protocol/limits.ts";
import type { RecoverFrom } from "../protocol/messages/subscribe.ts";
import type { ClientClock } from "./clock.ts";
import type { Commands, HistoryPage } from "./commands.ts";
import type { TickwireError } from "./errors.ts";
import type { Limiter } from "./limiter.ts";
import type { Delivery } from "./publication.ts";

/** Live items one catch-up holds back; beyond it the history is given up and the live ones go on. */
const MAX_HELD = 10_000;
/** Refusals of one page that are waited for, when the broker says that waiting helps. */
const MAX_RETRIES = 5;
const RETRY_DELAY_MS = 1000;

export interface CatchUpOutcome {
  /** False when something may be missing. */
  readonly recovered: boolean;
  /** Publications read from history. */
  readonly count: number;
}

/** What reading history takes; the same for all channels of a client. */
export interface HistoryAccess {
  readonly commands: Commands;
  readonly clock: ClientClock;
  /** Bounds how many history commands are out at a time. */
  readonly limiter: Limiter;
}

export interface CatchUpParts {
  readonly access: HistoryAccess;
  readonly channel: string;
  readonly from: RecoverFrom;
  /** What follows is of this epoch; `isContinued` says that it goes on where the reading began. */
  readonly onEpoch: (epoch: string, isContinued: boolean) => void;
  readonly onItem: (item: Delivery) => void;
  /** Called after the last item and after what was held back. */
  readonly onDone: (outcome: CatchUpOutcome) => void;
}

/** Reads a channel's history page by page while what arrives live is held back, then lets that go. */
export class CatchUp {
  readonly #parts: CatchUpParts;
  #held: (() => void)[] = [];
  #isActive = true;
  #isStarted = false;
  #count = 0;
  #recovered = true;
  #retries = 0;
  #release = (): void => {};

  constructor(parts: CatchUpParts) {
    this.#parts = parts;
  }

  get isStarted(): boolean {
    return this.#isStarted;
  }

  /** Begins to read. Live items are held back from the construction on. */
  start(): void {
    this.#isStarted = true;
    this.#parts.access.limiter.run((done) => {
      this.#release = done;
      if (this.#isActive) this.#read(this.#parts.from);
      else done();
    });
  }

  /** Keeps a live item until the history has been delivered; false when it need not wait. */
  hold(item: () => void): boolean {
    if (!this.#isActive) return false;
    this.#held.push(item);
    if (this.#held.length > MAX_HELD) this.#finish(false);
    return true;
  }

  /** The connection is gone, or nobody wants it any more. What was held is let go, or thrown away. */
  cancel(held: "deliver" | "discard"): void {
    if (held === "discard") this.#held = [];
    this.#finish(false);
  }

  #read(from: RecoverFrom): void {
    const { access, channel } = this.#parts;
    const limit = from.type === "last" ? from.count : MAX_HISTORY_LIMIT;
    const since = from.type === "position" ? from.position : null;
    access.commands.history(
      { channel, limit, since },
      {
        onResult: (result) => {
          if (this.#isActive) this.#page(result, from);
        },
        onError: (error) => {
          if (this.#isActive) this.#failed(error, from);
        },
      },
    );
  }

  /** Over the rate limit, or the engine is away for a moment: asks again. Else the live ones go on. */
  #failed(error: TickwireError, from: RecoverFrom): void {
    if (error.retry === "never" || ++this.#retries > MAX_RETRIES) return this.#finish(false);
    this.#parts.access.clock.after(error.retryAfterMs ?? RETRY_DELAY_MS, () => {
      if (this.#isActive) this.#read(from);
    });
  }

  #page(result: HistoryPage, from: RecoverFrom): void {
    const { onEpoch, onItem } = this.#parts;
    const { epoch, complete, publications } = result;
    const isPosition = from.type === "position";
    // A broker that calls it complete although the epoch is another knows that offsets go on.
    const isContinued = !isPosition || complete || from.position.epoch === epoch;
    this.#recovered &&= isContinued && (!isPosition || complete);
    onEpoch(epoch, isContinued);
    const start = isPosition && isContinued ? from.position.offset : 0;
    let offset = start;
    for (const item of publications) {
      if (item.offset <= offset) continue;
      offset = item.offset;
      this.#count++;
      onItem(item);
    }
    if (isPosition && offset > start && offset < result.offset) {
      // A callback of the application may have put an end to it.
      if (this.#isActive) this.#read({ type: "position", position: { epoch, offset } });
    } else this.#finish(true);
  }

  #finish(isComplete: boolean): void {
    if (!this.#isActive) return;
    this.#isActive = false;
    this.#release();
    for (const item of this.#held.splice(0)) item();
    this.#parts.onDone({ recovered: isComplete && this.#recovered, count: this.#count });
  }
}
