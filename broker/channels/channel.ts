import type { PresenceMember } from "../../protocol/messages/presence.ts";
import type { LogSlice } from "../engine/publication-log.ts";
import type { Stream, StreamListener } from "../engine/stream.ts";
import type { TransformRoute } from "../ports.ts";
import { encodeFrames } from "../sessions/json-frames.ts";
import type { Session } from "../sessions/session.ts";
import type { DeliveryStamp, TracedPublication } from "../tracing/delivery-stamp.ts";
import { MAX_TRACED_DELIVERIES } from "../tracing/delivery-stamp.ts";
import type { BatchArrival } from "../tracing/flight-recorder.ts";
import { unsampled } from "../tracing/head-sampler.ts";
import type { HeadSampling } from "../tracing/head-sampler.ts";

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
  /** The way through the channel's transforms; right when `routeGeneration` is the runner's. */
  route: TransformRoute | null = null;
  routeGeneration = -1;
  isClosed = false;
  /** Its namespace's, which counts publications down to the next that is traced. */
  readonly sampling: HeadSampling;
  /** Traced publications that wait for the hub's next flush. */
  traced: TracedPublication[] | null = null;

  constructor(stream: Stream, host: ChannelHost, sampling: HeadSampling = unsampled) {
    this.name = stream.name;
    this.stream = stream;
    this.sampling = sampling;
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

  tracedAppended(publication: TracedPublication): void {
    // Whoever decided to trace them keeps to a rate.
    (this.traced ??= []).push(publication);
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
  /** When its first publication came to this node (clock ms), and from where. */
  readonly startedMs: number;
  readonly arrival: BatchArrival | null;
  readonly traced: readonly TracedPublication[] | null;
  /** Made when the first session is behind. */
  knownStamp: DeliveryStamp | null = null;
  #stable: Uint8Array | null = null;
  #text: string | null = null;

  constructor(channel: Channel, slice: LogSlice) {
    const { stream } = channel;
    this.channel = channel;
    this.slice = slice;
    this.startedMs = channel.pendingSinceMs;
    this.arrival = stream.arrival;
    stream.arrival = null;
    this.traced = channel.traced;
    channel.traced = null;
  }

  /** What sessions' queues keep of it. */
  stamp(): DeliveryStamp {
    return (this.knownStamp ??= {
      stream: this.channel.stream,
      epoch: this.channel.stream.epoch,
      firstOffset: this.slice.firstOffset,
      count: this.slice.count,
      bytes: this.slice.bytes.length,
      startedMs: this.startedMs,
      arrival: this.arrival,
      fanOutStartedMs: this.startedMs,
      fanOutEndedMs: 0,
      subscribers: 0,
      queued: 0,
      traces: [],
      deliveriesLeft: MAX_TRACED_DELIVERIES,
    });
  }

  stable(): Uint8Array {
    return (this.#stable ??= this.channel.stream.log.hold(this.slice));
  }

  text(): string {
    return (this.#text ??= encodeFrames(this.slice.bytes));
  }
}
