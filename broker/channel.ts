import type { PresenceMember } from "../protocol/messages/presence.ts";
import type { LogSlice } from "./engine/publication-log.ts";
import type { Stream, StreamListener } from "./engine/stream.ts";
import { encodeFrames } from "./json-frames.ts";
import type { Session } from "./session.ts";

/** One session's interest in one channel. */
export interface Subscriber {
  readonly session: Session;
  /** `SubscribeFlag` bits. */
  readonly flags: number;
  /** Place in the channel's list, for removal without a search. */
  index: number;
  /** A session subscribed by pattern learns a channel's name before its first publication there. */
  isAnnounced: boolean;
}

/** What a channel tells the hub. */
export interface ChannelHost {
  /** The channel has its first pending publication of this tick. */
  becameDirty(channel: Channel): void;
  /** Deliver what is pending now. */
  flush(channel: Channel): void;
  presenceChanged(channel: Channel, type: "join" | "leave", member: PresenceMember): void;
  epochChanged(channel: Channel): void;
  reset(channel: Channel): void;
}

/** One channel on this node: its stream, who is subscribed, and what waits to be fanned out. */
export class Channel implements StreamListener {
  readonly name: string;
  readonly stream: Stream;
  readonly #host: ChannelHost;
  /** Sessions subscribed to exactly this channel. */
  readonly subscribers: Subscriber[] = [];
  /** Sessions subscribed by pattern and not exactly; right when `matchedGeneration` is the hub's. */
  matched: Subscriber[] = [];
  matchedGeneration = -1;
  /** A publication waits for the hub's next flush. */
  isDirty = false;
  /** When the first pending publication came (clock ms). */
  pendingSinceMs = 0;
  /** The engine's subscription, while and since there is interest. */
  attachment: Promise<void> | "attached" | "detached" = "detached";
  isClosed = false;

  constructor(stream: Stream, host: ChannelHost) {
    this.name = stream.name;
    this.stream = stream;
    this.#host = host;
    stream.listener = this;
  }

  get id(): number {
    return this.stream.id;
  }

  add(session: Session, flags: number): Subscriber {
    const subscriber = { session, flags, index: this.subscribers.length, isAnnounced: true };
    this.subscribers.push(subscriber);
    this.matchedGeneration = -1;
    return subscriber;
  }

  remove(subscriber: Subscriber): void {
    const last = this.subscribers.pop() as Subscriber;
    if (last !== subscriber) {
      this.subscribers[subscriber.index] = last;
      last.index = subscriber.index;
    }
    this.matchedGeneration = -1;
  }

  mustTake(): void {
    this.#host.flush(this);
  }

  appended(): void {
    if (!this.isDirty) this.#host.becameDirty(this);
  }

  epochChanged(): void {
    this.#host.epochChanged(this);
  }

  reset(): void {
    this.#host.reset(this);
  }

  presenceChanged(type: "join" | "leave", member: PresenceMember): void {
    this.#host.presenceChanged(this, type, member);
  }
}

/**
 * Publications of one channel on their way out, in each form at most once: the bytes as encoded in the
 * log, the same in memory that stays (for sessions that are behind), and as JSON.
 */
export class Batch {
  readonly channel: Channel;
  readonly slice: LogSlice;
  #stable: Uint8Array | null = null;
  #text: string | null = null;

  constructor(channel: Channel, slice: LogSlice) {
    this.channel = channel;
    this.slice = slice;
  }

  stable(): Uint8Array {
    return (this.#stable ??= this.channel.stream.log.hold(this.slice));
  }

  text(): string {
    return (this.#text ??= encodeFrames(this.slice.bytes));
  }
}
