import { Code } from "../protocol/codes.ts";
import type { Frame } from "../protocol/frame.ts";
import { encodeChannel } from "../protocol/messages/channel.ts";
import { encodePresencePush } from "../protocol/messages/presence.ts";
import type { PresenceMember } from "../protocol/messages/presence.ts";
import { SubscribeFlag } from "../protocol/messages/subscribe.ts";
import { BrokerError } from "./api.ts";
import { ByteBuffer } from "./byte-buffer.ts";
import { Batch, Channel } from "./channel.ts";
import type { ChannelHost, Subscriber } from "./channel.ts";
import type { Engine } from "./engine/engine.ts";
import type { Namespaces } from "./namespace.ts";
import type { Outbound } from "./outbound.ts";
import { PatternIndex } from "./pattern-index.ts";
import type { Clock } from "./ports.ts";
import type { Session } from "./session.ts";
import { SendStatus } from "./socket.ts";
import type { Stats } from "./stats.ts";
import type { Tick, TickWork } from "./tick.ts";

/** Publications of several channels for one session in one tick leave in messages of at most this size. */
const JOINED_MESSAGE_BYTES = 64 * 1024;

export interface HubOptions {
  readonly engine: Engine;
  readonly namespaces: Namespaces;
  readonly stats: Stats;
  readonly clock: Clock;
  readonly tick: Tick;
  readonly maxChannels: number;
  /** Ends a subscription that cannot be continued, and says so to its client. */
  readonly onReset: (session: Session, channel: Channel) => void;
}

/** A pattern subscription in the index. */
interface PatternSubscriber {
  readonly session: Session;
  readonly flags: number;
  /** The hub's generation when it was added. */
  readonly sinceGeneration: number;
}

/**
 * The node's registry of channels, and fan-out.
 *
 * Publications of one tick on one channel leave together at its end, encoded once. The loop over
 * subscribers allocates nothing and reads what each socket says. While it runs, lists of subscribers must
 * not change: whoever closes a session goes through `whenSettled`.
 */
export class Hub implements ChannelHost, TickWork {
  readonly #options: HubOptions;
  readonly #channels = new Map<string, Channel>();
  readonly #patterns = new PatternIndex<PatternSubscriber>();
  readonly #patternSubscribers = new Map<string, Map<Session, PatternSubscriber>>();
  #patternCount = 0;
  /** Raised by every change to the patterns: channels resolved before it look again. */
  #generation = 0;
  #dirty: Channel[] = [];
  /** Channels that wait for their namespace's flush interval. */
  readonly #delayed = new Set<Channel>();
  readonly #joined = new ByteBuffer(4096, JOINED_MESSAGE_BYTES);
  /** Sessions with something to get in the flush of several channels. */
  readonly #staged: Session[] = [];
  #isFanningOut = false;
  #afterFanOut: (() => void)[] = [];

  constructor(options: HubOptions) {
    this.#options = options;
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

  /**
   * The channel of a valid name, made when there is none.
   * @throws BrokerError overloaded at the node's bound
   */
  open(name: string): Channel {
    let channel = this.#channels.get(name);
    if (channel !== undefined) return channel;
    const { engine, namespaces, maxChannels, stats } = this.#options;
    if (this.#channels.size >= maxChannels) {
      throw new BrokerError(Code.overloaded, `this node already has ${maxChannels} channels`);
    }
    channel = new Channel(engine.open(name, namespaces.resolve(name)), this);
    this.#channels.set(name, channel);
    stats.channelsOpen = this.#channels.size;
    return channel;
  }

  /** Whether anybody on this node is subscribed to a pattern that matches. */
  isMatched(name: string): boolean {
    let isMatched = false;
    if (this.#patternCount > 0) this.#patterns.match(name, () => (isMatched = true));
    return isMatched;
  }

  /** Subscribers of a channel on this node, by name or by pattern. */
  subscriberCount(channel: Channel): number {
    return channel.subscribers.length + this.#matched(channel).length;
  }

  addPattern(pattern: string, session: Session, flags: number): void {
    // Publications from before this moment are not for the new subscriber.
    this.flushAll();
    const subscriber = { session, flags, sinceGeneration: ++this.#generation };
    let sessions = this.#patternSubscribers.get(pattern);
    if (sessions === undefined) {
      sessions = new Map();
      this.#patternSubscribers.set(pattern, sessions);
    }
    sessions.set(session, subscriber);
    this.#patterns.add(pattern, subscriber);
    this.#patternCount++;
  }

  removePattern(pattern: string, session: Session): void {
    const sessions = this.#patternSubscribers.get(pattern);
    const subscriber = sessions?.get(session);
    if (sessions === undefined || subscriber === undefined) return;
    this.flushAll();
    sessions.delete(session);
    if (sessions.size === 0) this.#patternSubscribers.delete(pattern);
    this.#patterns.remove(pattern, subscriber);
    this.#patternCount--;
    this.#generation++;
    for (const { type } of session.subscriptions.values()) if (type === "pattern") return;
    session.announced.clear();
  }

  /** The sessions a channel reaches by pattern and not by name, each once. */
  #matched(channel: Channel): readonly Subscriber[] {
    if (channel.matchedGeneration === this.#generation) return channel.matched;
    channel.matchedGeneration = this.#generation;
    if (this.#patternCount === 0) {
      if (channel.matched.length > 0) channel.matched = [];
      return channel.matched;
    }
    const bySession = new Map<Session, { flags: number; sinceGeneration: number }>();
    this.#patterns.match(channel.name, ({ session, flags, sinceGeneration }) => {
      const known = bySession.get(session);
      bySession.set(session, {
        flags: flags | (known?.flags ?? 0),
        sinceGeneration: Math.min(sinceGeneration, known?.sinceGeneration ?? sinceGeneration),
      });
    });
    for (const { session } of channel.subscribers) bySession.delete(session);
    channel.matched = [...bySession].map(([session, { flags, sinceGeneration }]) => ({
      session,
      flags,
      index: -1,
      // One from before the session's patterns of now is out of date: publications were left out since.
      isAnnounced: (session.announced.get(channel.id) ?? -1) >= sinceGeneration,
    }));
    return channel.matched;
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
    if (dirty.length === 1) this.flush(dirty[0] as Channel);
    else this.#flushTogether(dirty);
  }

  /** Runs work that changes lists of subscribers: now, or when the fan-out under way is done. */
  whenSettled(work: () => void): void {
    if (this.#isFanningOut) this.#afterFanOut.push(work);
    else work();
  }

  #settled(): void {
    this.#isFanningOut = false;
    const work = this.#afterFanOut;
    if (work.length === 0) return;
    this.#afterFanOut = [];
    for (const item of work) item();
  }

  /** Everything pending leaves now. */
  flushAll(): void {
    this.endTick();
    for (const channel of this.#delayed) this.flush(channel);
    this.#delayed.clear();
  }

  flush(channel: Channel): void {
    channel.isDirty = false;
    const slice = channel.stream.log.takePending();
    if (slice === null) return;
    const batch = new Batch(channel, slice);
    const matched = this.#matched(channel);
    this.#isFanningOut = true;
    this.#fanOut(channel.subscribers, batch);
    for (const subscriber of matched) this.#announce(subscriber, batch);
    this.#fanOut(matched, batch);
    const deliveries = this.#count(batch, channel.subscribers.length + matched.length);
    this.#recordDuration(channel.pendingSinceMs, deliveries);
    this.#settled();
  }

  #fanOut(subscribers: readonly Subscriber[], batch: Batch): void {
    for (let i = 0; i < subscribers.length; i++) {
      deliver((subscribers[i] as Subscriber).session, batch);
    }
  }

  #announce(subscriber: Subscriber, batch: Batch): void {
    if (subscriber.isAnnounced) return;
    subscriber.isAnnounced = true;
    const { channel, slice } = batch;
    subscriber.session.announced.set(channel.id, this.#generation);
    subscriber.session.reply(channelFrame(channel, slice.firstOffset - 1));
  }

  /** Counts a batch that goes to so many subscribers; returns its deliveries. */
  #count(batch: Batch, subscribers: number): number {
    const { stats } = this.#options;
    const { slice } = batch;
    const deliveries = slice.count * subscribers;
    stats.deliveries += deliveries;
    stats.deliveryBytes += slice.bytes.length * subscribers;
    return deliveries;
  }

  #recordDuration(sinceMs: number, deliveries: number): void {
    if (deliveries === 0) return;
    const { stats, clock } = this.#options;
    stats.deliveryDuration.record(clock.nowMs() - sinceMs, deliveries);
  }

  /**
   * Several channels in one tick: a session that is subscribed to more than one of them gets its
   * publications in one message.
   */
  #flushTogether(dirty: readonly Channel[]): void {
    let deliveries = 0;
    let sinceMs = Infinity;
    for (const channel of dirty) {
      channel.isDirty = false;
      const slice = channel.stream.log.takePending();
      if (slice === null) continue;
      const batch = new Batch(channel, slice);
      const { subscribers } = channel;
      const matched = this.#matched(channel);
      for (let i = 0; i < subscribers.length; i++) {
        this.#stage((subscribers[i] as Subscriber).session, batch);
      }
      for (const subscriber of matched) {
        this.#announce(subscriber, batch);
        this.#stage(subscriber.session, batch);
      }
      deliveries += this.#count(batch, subscribers.length + matched.length);
      sinceMs = Math.min(sinceMs, channel.pendingSinceMs);
    }
    this.#isFanningOut = true;
    const staged = this.#staged;
    for (let i = 0; i < staged.length; i++) this.#deliverStaged(staged[i] as Session);
    staged.length = 0;
    // One record for all: they came in the same tick and left together.
    this.#recordDuration(sinceMs, deliveries);
    this.#settled();
  }

  #stage(session: Session, batch: Batch): void {
    if (session.stagedBatch === null) {
      session.stagedBatch = batch;
      this.#staged.push(session);
    } else session.moreStagedBatches.push(batch);
  }

  #deliverStaged(session: Session): void {
    const { outbound, moreStagedBatches: more } = session;
    const first = session.stagedBatch as Batch;
    session.stagedBatch = null;
    if (more.length === 0) {
      deliver(session, first);
      return;
    }
    if (outbound.isDirect) this.#deliverJoined(outbound, first, more);
    else {
      deliver(session, first);
      for (const batch of more) deliver(session, batch);
    }
    more.length = 0;
  }

  #deliverJoined(outbound: Outbound, first: Batch, more: readonly Batch[]): void {
    const joined = this.#joined;
    const copy = { stable: (): Uint8Array => joined.view().slice() };
    joined.append(first.slice.bytes);
    for (const { slice } of more) {
      if (joined.length + slice.bytes.length > JOINED_MESSAGE_BYTES) {
        outbound.deliver(joined.view(), copy);
        joined.reset();
      }
      joined.append(slice.bytes);
    }
    outbound.deliver(joined.view(), copy);
    joined.reset();
  }

  presenceChanged(channel: Channel, type: "join" | "leave", member: PresenceMember): void {
    const watching = new Set<Session>();
    const add = ({ session, flags, isAnnounced }: Subscriber): void => {
      if ((flags & SubscribeFlag.joinLeave) !== 0 && isAnnounced) watching.add(session);
    };
    channel.subscribers.forEach(add);
    this.#matched(channel).forEach(add);
    if (this.#patternCount > 0) {
      // A session may be subscribed by name for publications, and watch by a pattern.
      this.#patterns.match(channel.name, ({ session, flags }) => {
        const isByName = session.subscriptions.get(channel.name)?.type === "channel";
        if ((flags & SubscribeFlag.joinLeave) !== 0 && isByName) watching.add(session);
      });
    }
    const frame = encodePresencePush({ type, channelId: channel.id, ...member });
    for (const session of watching) session.reply(frame);
  }

  /** Not a publication is missing, but positions have a new epoch: everybody is told it. */
  epochChanged(channel: Channel): void {
    const frame = channelFrame(channel, channel.stream.log.offset);
    for (const { session } of channel.subscribers) session.reply(frame);
    for (const { session, isAnnounced } of this.#matched(channel)) {
      if (isAnnounced) session.reply(frame);
    }
  }

  /** Publications are lost: subscriptions by name end and are to be made anew, patterns learn the new position. */
  reset(channel: Channel): void {
    const frame = channelFrame(channel, channel.stream.log.offset);
    for (const { session, isAnnounced } of this.#matched(channel)) {
      if (isAnnounced) session.reply(frame);
    }
    for (const { session } of channel.subscribers.slice()) this.#options.onReset(session, channel);
  }

  /** Forgets channels that nobody is subscribed to and nobody will ask for again. */
  sweep(nowMs: number): void {
    const { engine, stats } = this.#options;
    for (const channel of this.#channels.values()) {
      if (channel.subscribers.length > 0 || channel.isDirty) continue;
      if (channel.attachment === "attached" && this.#matched(channel).length === 0) {
        channel.attachment = "detached";
        engine.detach(channel.stream);
      }
      if (channel.attachment !== "detached" || !engine.isIdle(channel.stream, nowMs)) continue;
      for (const { session } of channel.matched) session.announced.delete(channel.id);
      channel.isClosed = true;
      this.#channels.delete(channel.name);
      engine.close(channel.stream);
    }
    stats.channelsOpen = this.#channels.size;
  }
}

function channelFrame(channel: Channel, offset: number): Frame {
  const { id, name, stream } = channel;
  return encodeChannel({ channelId: id, name, epoch: stream.epoch, offset });
}

/** The step of the fan-out loop: no allocation, no await, and every status read. */
function deliver(session: Session, batch: Batch): void {
  const { outbound } = session;
  if (outbound.isDirect) {
    const status = session.socket.sendBytes(batch.slice.bytes);
    if (status !== SendStatus.sent) outbound.settle(status);
  } else if (outbound.format === "json") outbound.deliverText(batch.text());
  else outbound.deliver(batch.slice.bytes, batch);
}
