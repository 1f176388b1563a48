import { Code } from "../../protocol/codes.ts";
import type { Frame } from "../../protocol/frame.ts";
import { encodeChannel } from "../../protocol/messages/channel.ts";
import { encodePresencePush } from "../../protocol/messages/presence.ts";
import type { PresenceMember } from "../../protocol/messages/presence.ts";
import { SubscribeFlag } from "../../protocol/messages/subscribe.ts";
import { BrokerError } from "../api.ts";
import type { Engine } from "../engine/engine.ts";
import type { Clock } from "../ports.ts";
import type { Session } from "../sessions/session.ts";
import type { Stats } from "../stats.ts";
import type { Tick, TickWork } from "../tick.ts";
import type { Tracer } from "../tracing/tracer.ts";
import { Batch, Channel } from "./channel.ts";
import type { ChannelHost, Subscriber } from "./channel.ts";
import { FanOut } from "./fan-out.ts";
import type { Flush } from "./fan-out.ts";
import type { Namespaces } from "./namespace.ts";
import { PatternSubscriptions } from "./pattern-subscriptions.ts";

export interface HubOptions {
  readonly engine: Engine;
  readonly namespaces: Namespaces;
  readonly stats: Stats;
  readonly clock: Clock;
  readonly tick: Tick;
  readonly maxChannels: number;
  /** Null where nothing is recorded. */
  readonly tracer?: Tracer | null;
  /** Ends a subscription that cannot be continued, and says so to its client. */
  readonly onReset: (session: Session, channel: Channel) => void;
}

/**
 * The node's registry of channels, and when what is published on them leaves: publications of one tick on one
 * channel leave together at its end, encoded once.
 */
export class Hub implements ChannelHost, TickWork {
  readonly #options: HubOptions;
  readonly #channels = new Map<string, Channel>();
  readonly #byId = new Map<number, Channel>();
  readonly #patterns = new PatternSubscriptions();
  readonly #fanOut: FanOut;
  #dirty: Channel[] = [];
  /** Channels that wait for their namespace's flush interval. */
  readonly #delayed = new Set<Channel>();

  constructor(options: HubOptions) {
    const { stats, clock, tracer } = options;
    this.#options = options;
    this.#fanOut = new FanOut({
      stats,
      clock,
      announce: (subscriber, batch) => this.#announce(subscriber, batch),
      tracer: tracer?.fanOut ?? null,
    });
    options.tick.add(this);
  }

  get channelCount(): number {
    return this.#channels.size;
  }

  channels(): IterableIterator<Channel> {
    return this.#channels.values();
  }

  find(name: string): Channel | undefined {
    return this.#channels.get(name);
  }

  /** The channel whose publications carry this id. */
  ofId(id: number): Channel | undefined {
    return this.#byId.get(id);
  }

  /**
   * The channel of a valid name, made when there is none.
   * @throws BrokerError overloaded at the node's bound
   */
  open(name: string): Channel {
    let channel = this.#channels.get(name);
    if (channel !== undefined) return channel;
    const { engine, namespaces, maxChannels, stats, tracer } = this.#options;
    if (this.#channels.size >= maxChannels) {
      throw new BrokerError(Code.overloaded, `this node already has ${maxChannels} channels`);
    }
    const options = namespaces.resolve(name);
    channel = new Channel(engine.open(name, options), this, tracer?.samplingOf(options));
    this.#channels.set(name, channel);
    this.#byId.set(channel.id, channel);
    stats.channelsOpen = this.#channels.size;
    return channel;
  }

  /** Whether anybody on this node is subscribed to a pattern that matches. */
  isMatched(name: string): boolean {
    return this.#patterns.isMatched(name);
  }

  /** Whether a pattern may be subscribed to: see `Namespaces.offersPattern`. */
  offersPattern(pattern: string): boolean {
    return this.#options.namespaces.offersPattern(pattern);
  }

  /** Subscribers of a channel on this node, by name or by pattern. */
  subscriberCount(channel: Channel): number {
    return channel.subscribers.length + this.#patterns.reach(channel).length;
  }

  addPattern(pattern: string, session: Session, flags: number): void {
    // Publications from before this moment are not for the new subscriber.
    this.flushAll();
    this.#patterns.add(pattern, session, flags);
  }

  removePattern(pattern: string, session: Session): void {
    this.flushAll();
    this.#patterns.remove(pattern, session);
    for (const { type } of session.subscriptions.values()) if (type === "pattern") return;
    session.announced.clear();
  }

  becameDirty(channel: Channel): void {
    const { tick, clock } = this.#options;
    channel.isDirty = true;
    const intervalMs = channel.stream.options.flushIntervalMs;
    if (intervalMs > 0) {
      channel.pendingSinceMs = clock.nowMs();
      this.#delay(channel, intervalMs);
      return;
    }
    tick.schedule();
    channel.pendingSinceMs = tick.startedMs;
    this.#dirty.push(channel);
  }

  #delay(channel: Channel, intervalMs: number): void {
    this.#delayed.add(channel);
    setTimeout(() => {
      if (this.#delayed.delete(channel)) this.flush(channel);
    }, intervalMs);
  }

  /** The tick's publications of every channel leave. */
  endTick(): void {
    const dirty = this.#dirty;
    if (dirty.length === 0) return;
    this.#dirty = [];
    if (dirty.length === 1) {
      this.flush(dirty[0] as Channel);
      return;
    }
    const flushes: Flush[] = [];
    for (const channel of dirty) {
      const flush = this.#take(channel);
      if (flush !== null) flushes.push(flush);
    }
    this.#fanOut.deliverTogether(flushes);
  }

  /** Runs work that changes lists of subscribers: now, or when the fan-out under way is done. */
  whenSettled(work: () => void): void {
    this.#fanOut.whenSettled(work);
  }

  /** Everything pending leaves now. */
  flushAll(): void {
    this.endTick();
    for (const channel of this.#delayed) this.flush(channel);
    this.#delayed.clear();
  }

  /** What is pending on a channel leaves now. */
  flush(channel: Channel): void {
    const flush = this.#take(channel);
    if (flush !== null) this.#fanOut.deliver(flush);
  }

  #take(channel: Channel): Flush | null {
    channel.isDirty = false;
    const slice = channel.stream.log.takePending();
    if (slice === null) return null;
    const { subscribers } = channel;
    return {
      batch: new Batch(channel, slice),
      subscribers,
      matched: this.#patterns.reach(channel),
    };
  }

  #announce(subscriber: Subscriber, batch: Batch): void {
    if (subscriber.isAnnounced) return;
    subscriber.isAnnounced = true;
    const { channel, slice } = batch;
    subscriber.session.announced.set(channel.id, this.#patterns.generation);
    subscriber.session.reply(channelFrame(channel, slice.firstOffset - 1));
  }

  presenceChanged(channel: Channel, type: "join" | "leave", member: PresenceMember): void {
    const watching = new Set<Session>();
    const add = ({ session, flags, isAnnounced }: Subscriber): void => {
      if ((flags & SubscribeFlag.joinLeave) !== 0 && isAnnounced) watching.add(session);
    };
    channel.subscribers.forEach(add);
    this.#patterns.reach(channel).forEach(add);
    // A session may be subscribed by name for publications, and watch by a pattern.
    this.#patterns.match(channel.name, ({ session, flags }) => {
      const isByName = session.subscriptions.get(channel.name)?.type === "channel";
      if ((flags & SubscribeFlag.joinLeave) !== 0 && isByName) watching.add(session);
    });
    const frame = encodePresencePush({ type, channelId: channel.id, ...member });
    for (const session of watching) {
      // Over Redis it may be back before its leaving is told [P-7.5].
      if (type === "join" || session.id !== member.connection) session.reply(frame);
    }
  }

  /** Not a publication is missing, but positions have a new epoch: everybody is told it. */
  epochChanged(channel: Channel): void {
    const frame = channelFrame(channel, channel.stream.log.offset);
    for (const { session } of channel.subscribers) session.reply(frame);
    for (const { session, isAnnounced } of this.#patterns.reach(channel)) {
      if (isAnnounced) session.reply(frame);
    }
  }

  /** Publications are lost: subscriptions by name end and are to be made anew, patterns learn the new position. */
  reset(channel: Channel): void {
    const frame = channelFrame(channel, channel.stream.log.offset);
    for (const { session, isAnnounced } of this.#patterns.reach(channel)) {
      if (isAnnounced) session.reply(frame);
    }
    for (const { session } of channel.subscribers.slice()) this.#options.onReset(session, channel);
  }

  /** Forgets channels that nobody is subscribed to and nobody will ask for again. */
  sweep(nowMs: number): void {
    const { engine, stats } = this.#options;
    for (const channel of this.#channels.values()) {
      if (channel.subscribers.length > 0 || channel.isDirty) continue;
      if (channel.attachment === "attached" && this.#patterns.reach(channel).length === 0) {
        channel.attachment = "detached";
        engine.detach(channel.stream);
      }
      if (channel.attachment !== "detached" || !engine.isIdle(channel.stream, nowMs)) continue;
      for (const { session } of channel.matched) session.announced.delete(channel.id);
      channel.isClosed = true;
      this.#channels.delete(channel.name);
      this.#byId.delete(channel.id);
      engine.close(channel.stream);
    }
    stats.channelsOpen = this.#channels.size;
  }
}

function channelFrame(channel: Channel, offset: number): Frame {
  const { id, name, stream } = channel;
  return encodeChannel({ channelId: id, name, epoch: stream.epoch, offset });
}
