import type { RecoverFrom } from "../protocol/messages/subscribe.ts";
import type { StreamPosition } from "../protocol/position.ts";
import { CatchUp } from "./catch-up.ts";
import type { HistoryAccess } from "./catch-up.ts";
import { deferred } from "./deferred.ts";
import { TickwireError } from "./errors.ts";
import { Emitter } from "./events.ts";
import { PublicationQueue } from "./publication-queue.ts";
import { Publication } from "./publication.ts";
import type { Delivery } from "./publication.ts";
import type {
  GapEvent,
  StreamTarget,
  SubscribedEvent,
  SubscriptionEvents,
} from "./subscription-events.ts";
import type { Subscription } from "./subscription.ts";
import type { Decode } from "./value-codec.ts";

export interface LocalSubscriptionParts<T> {
  readonly name: string;
  readonly decode: Decode<T>;
  readonly recover: RecoverFrom;
  /** `SubscribeFlag` bits. */
  readonly flags: number;
  readonly maxQueued: number;
  readonly onPublication: ((publication: Publication<T>) => void) | undefined;
  /** Told what a listener or the callback threw. */
  readonly onThrow: (error: unknown) => void;
  readonly onUnsubscribe: (subscription: LocalSubscription<T>) => void;
}

/** What the application holds; several may share one subscription at the broker. */
export class LocalSubscription<T> implements Subscription<T>, StreamTarget {
  readonly name: string;
  readonly recover: RecoverFrom;
  readonly flags: number;
  readonly #parts: LocalSubscriptionParts<T>;
  readonly #events: Emitter<SubscriptionEvents>;
  readonly #ready = deferred<void>();
  #queue: PublicationQueue<T> | null = null;
  #droppedCount = 0;
  #isEnded = false;
  /** Delivered by history of its own, up to here; those come live as well. */
  #start: StreamPosition = { epoch: "", offset: 0 };
  #catchUp: CatchUp | null = null;

  constructor(parts: LocalSubscriptionParts<T>) {
    this.#parts = parts;
    this.name = parts.name;
    this.recover = parts.recover;
    this.flags = parts.flags;
    this.#events = new Emitter(parts.onThrow);
    if (parts.onPublication === undefined) this.#queue = this.#newQueue();
  }

  get droppedCount(): number {
    return this.#droppedCount;
  }

  get queuedCount(): number {
    return this.#queue?.size ?? 0;
  }

  ready(): Promise<void> {
    return this.#ready.promise;
  }

  on<Name extends keyof SubscriptionEvents>(
    name: Name,
    listener: (event: SubscriptionEvents[Name]) => void,
  ): () => void {
    return this.#events.on(name, listener);
  }

  unsubscribe(): void {
    if (this.#isEnded) return;
    this.#parts.onUnsubscribe(this);
    this.end(null);
  }

  [Symbol.asyncIterator](): AsyncIterator<Publication<T>, undefined> {
    const queue = (this.#queue ??= this.#newQueue());
    if (this.#isEnded) queue.end(null);
    return {
      next: () => queue.next(),
      // Leaving a loop does not unsubscribe: the next loop goes on where this one stopped.
      return: () => Promise.resolve({ done: true, value: undefined }),
    };
  }

  deliver(delivery: Delivery): void {
    if (this.#isEnded) return;
    if (this.#catchUp !== null && this.#catchUp.hold(() => this.deliver(delivery))) return;
    if (delivery.offset <= this.#start.offset && delivery.epoch === this.#start.epoch) return;
    this.#push(delivery);
  }

  missed(gap: GapEvent): void {
    this.#events.emit("gap", gap);
  }

  /** The broker confirmed the subscription this one shares. */
  subscribed(event: SubscribedEvent): void {
    if (this.#isEnded) return;
    this.#ready.resolve();
    this.#events.emit("subscribed", event);
  }

  /** Takes nothing up to this offset: the history before it was asked for by another. */
  startAfter(position: StreamPosition): void {
    this.#start = position;
  }

  /**
   * Prepares to read the history it asked for by itself, since the broker already delivers the channel to this
   * client. From now on live publications are held back.
   */
  prepareCatchUp(access: HistoryAccess): void {
    let position: StreamPosition | null = null;
    this.#catchUp = new CatchUp({
      access,
      channel: this.name,
      from: this.recover,
      onEpoch: () => {},
      onItem: (item) => {
        position = { epoch: item.epoch, offset: item.offset };
        this.startAfter(position);
        this.#push(item);
      },
      onDone: ({ recovered, count }) => {
        this.#catchUp = null;
        this.subscribed({ recovered, position, count });
      },
    });
  }

  startCatchUp(): void {
    this.#catchUp?.start();
  }

  /** The connection is gone; what was held back has passed the stream and must not be lost. */
  interrupt(): void {
    if (this.#catchUp?.isStarted === true) this.#catchUp.cancel("deliver");
  }

  emit<Name extends "join" | "leave">(name: Name, event: SubscriptionEvents[Name]): void {
    this.#events.emit(name, event);
  }

  /** No more publications. With an error, it was not the application's wish. */
  end(error: TickwireError | null): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#catchUp?.cancel("discard");
    this.#ready.reject(error ?? new TickwireError("closed", "unsubscribed"));
    this.#queue?.end(error);
    if (error !== null) this.#events.emit("unsubscribed", error);
  }

  #push(delivery: Delivery): void {
    const publication = new Publication(delivery, this.#parts.decode);
    const { onPublication, onThrow } = this.#parts;
    if (onPublication !== undefined) {
      try {
        onPublication(publication);
      } catch (error) {
        onThrow(error);
      }
    }
    this.#queue?.push(publication);
  }

  #newQueue(): PublicationQueue<T> {
    return new PublicationQueue(this.#parts.maxQueued, (dropped) => this.#dropped(dropped));
  }

  /** One gap event for each run of publications of one channel. */
  #dropped(dropped: readonly Publication<T>[]): void {
    this.#droppedCount += dropped.length;
    const ranges = new Map<string, { from: number; to: number; count: number }>();
    for (const { channel, offset } of dropped) {
      const range = ranges.get(channel);
      if (range === undefined) ranges.set(channel, { from: offset, to: offset, count: 1 });
      else {
        range.to = offset;
        range.count++;
      }
    }
    for (const [channel, range] of ranges) {
      this.missed({ channel, ...range, reason: "consumer_too_slow" });
    }
  }
}
