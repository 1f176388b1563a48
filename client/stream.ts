import type { GapPush } from "../protocol/messages/gap.ts";
import type { PublicationMeta } from "../protocol/messages/meta.ts";
import type { RecoverFrom, SubscribedResult } from "../protocol/messages/subscribe.ts";
import type { StreamPosition } from "../protocol/position.ts";
import { CatchUp } from "./catch-up.ts";
import type { CatchUpOutcome, HistoryAccess } from "./catch-up.ts";
import type { Delivery } from "./publication.ts";
import type { GapEvent, StreamTarget } from "./subscription-events.ts";

/** No publication seen yet. */
const NONE = -1;

/**
 * One channel as this client follows it, across connections: the position up to which its publications have been
 * delivered, and the subscriptions they go to. Everything arrives here in the order the broker sent it
 * and leaves each offset at most once, in order, with a gap event for every offset known to be left out.
 */
export class Stream {
  readonly name: string;
  /** Replaced as a whole, so that a loop over it may go on while it changes. */
  targets: readonly StreamTarget[] = [];
  /** When it was last used, in publications of the client; what is used least is forgotten first. */
  usedAt = 0;
  #epoch = "";
  #offset = NONE;
  /** Publications up to here come from history; holes among them have been told of. */
  #through = NONE;
  /** Whether live publications of the current connection continue the position without a break. */
  #isCurrent = false;
  #catchUp: CatchUp | null = null;
  readonly #onHole: (stream: Stream) => void;

  /** `onHole` is told when the broker skips offsets without a word [P-7.2]. */
  constructor(name: string, onHole: (stream: Stream) => void) {
    this.name = name;
    this.#onHole = onHole;
  }

  /** Place of the last publication delivered; null when there is none to continue from. */
  get position(): StreamPosition | null {
    if (this.#offset === NONE || this.#epoch === "") return null;
    return { epoch: this.#epoch, offset: this.#offset };
  }

  /** Whether the connection brings this stream already, or is about to once history has been read. */
  get isFollowed(): boolean {
    return this.#isCurrent || this.#catchUp !== null;
  }

  /** Whether a publication comes as it is published, and not from history. */
  isLive(offset: number): boolean {
    return offset > this.#through && this.#catchUp === null;
  }

  /** Starts from a position the application kept. */
  seed({ epoch, offset }: StreamPosition): void {
    this.#reset(epoch, offset, offset);
  }

  /** The next publication is taken as it comes. */
  forget(): void {
    this.#reset(this.#epoch, NONE, NONE);
  }

  /** Gives the position up, and says so. */
  lose(reason: string): void {
    this.#missed(reason);
    this.forget();
  }

  /** Live publications have stopped: the connection, or the subscription that brought them, has ended. */
  interrupt(): void {
    const catchUp = this.#catchUp;
    this.#catchUp = null;
    catchUp?.cancel("discard");
    this.#isCurrent = false;
  }

  /** The reply to a subscribe that asked for `asked` [P-6.2]; what was recovered follows it. */
  subscribed(reply: SubscribedResult, asked: RecoverFrom): void {
    if (this.#hold(() => this.subscribed(reply, asked))) return;
    this.#isCurrent = true;
    const { epoch, offset, count, recovered } = reply;
    if (asked.type === "none" && this.#epoch === epoch && this.#offset !== NONE) return;
    if (asked.type !== "position") return this.#reset(epoch, count > 0 ? NONE : offset, offset);
    // A position of an epoch that this one continues is recovered too; offsets go on.
    const isContinued = recovered || epoch === this.#epoch;
    if (!isContinued || (!recovered && offset < this.#offset)) {
      this.#missed(isContinued ? "rewound" : "epoch_changed");
      return this.#reset(epoch, Math.max(0, offset - count), offset);
    }
    const last = offset - count;
    if (!recovered && last > this.#offset) this.#missed("trimmed", this.#offset + 1, last);
    this.#reset(epoch, count > 0 ? this.#offset : Math.max(this.#offset, offset), offset);
  }

  /**
   * A channel push: live publications follow this offset [P-6.11].
   * @param isResumed whether the pattern it comes by was subscribed on an earlier connection
   */
  announced(epoch: string, offset: number, isResumed: boolean): void {
    if (this.#hold(() => this.announced(epoch, offset, isResumed))) return;
    const isContinued =
      epoch === this.#epoch || (this.#isCurrent && offset === this.#offset && offset > 0);
    this.#isCurrent = true;
    if (this.#offset === NONE || !isContinued) {
      if (this.#offset !== NONE) this.#missed("epoch_changed");
      // Nobody can say which of those before were published while this client was away.
      else if (isResumed && offset > 0) this.#missed("unknown_past");
      this.#reset(epoch, offset, offset);
      return;
    }
    this.#epoch = epoch;
    const next = this.#next();
    if (offset < next) return;
    this.#missed("trimmed", next, offset);
    this.#offset = offset;
  }

  /** A publication, live or recovered; its epoch is the stream's. */
  publication(
    offset: number,
    source: Uint8Array,
    start: number,
    end: number,
    meta: PublicationMeta | null,
  ): void {
    if (
      this.#catchUp !== null &&
      this.#hold(() => this.publication(offset, source, start, end, meta))
    ) {
      return;
    }
    const next = this.#next();
    if (offset > next && next > 0) return this.#onHole(this);
    this.#accept({ channel: this.name, epoch: this.#epoch, offset, meta, source, start, end });
  }

  /** The broker left publications out and says so [P-7.4]. */
  gap(push: GapPush): void {
    if (this.#hold(() => this.gap(push))) return;
    const { reason, from, to, count } = push;
    this.#offset = Math.max(this.#offset, to);
    this.#missed(reason, from, to, count);
  }

  /**
   * Reads from history what was published since the position, unless that is under way or done, and then calls
   * back. For channels under a pattern; a subscription by name is recovered by the broker.
   */
  recover(access: HistoryAccess, onDone: (outcome: CatchUpOutcome) => void): void {
    const { position } = this;
    if (position === null || this.isFollowed) {
      // Publications without a position cannot be recovered.
      return onDone({ recovered: this.isFollowed || this.usedAt === 0, count: 0 });
    }
    this.#catchUp = new CatchUp({
      access,
      channel: this.name,
      from: { type: "position", position },
      onEpoch: (epoch, isContinued) => {
        if (isContinued) this.#epoch = epoch;
        else {
          this.#missed("epoch_changed");
          this.#reset(epoch, NONE, NONE);
        }
      },
      onItem: (item) => {
        const next = this.#next();
        if (item.offset > next && next > 0) this.#missed("trimmed", next, item.offset - 1);
        this.#accept(item);
      },
      onDone: (outcome) => {
        // Interrupted: what is missing is read on the next connection.
        if (this.#catchUp === null) return;
        this.#catchUp = null;
        this.#isCurrent = true;
        onDone(outcome);
      },
    });
    this.#catchUp.start();
  }

  #hold(item: () => void): boolean {
    return this.#catchUp?.hold(item) === true;
  }

  #accept(delivery: Delivery): void {
    const { offset } = delivery;
    // Offset 0 is no place in a stream: such a publication is delivered as it comes.
    if (offset > 0) {
      if (offset <= this.#offset) return;
      this.#offset = offset;
    }
    for (const target of this.targets) target.deliver(delivery);
  }

  /** The offset that follows without a gap; 0 when nothing is known. */
  #next(): number {
    return Math.max(this.#offset, this.#through) + 1;
  }

  #reset(epoch: string, offset: number, through: number): void {
    this.#epoch = epoch;
    this.#offset = offset;
    this.#through = through;
  }

  #missed(
    reason: string,
    from: number | null = null,
    to: number | null = null,
    count: number | null = from === null || to === null ? null : to - from + 1,
  ): void {
    const gap: GapEvent = { channel: this.name, from, to, count, reason };
    for (const target of this.targets) target.missed(gap);
  }
}
