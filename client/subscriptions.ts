import { patternMatches } from "../protocol/channel-name.ts";
import type { ChannelPush } from "../protocol/messages/channel.ts";
import type { GapPush } from "../protocol/messages/gap.ts";
import type { PublicationMeta } from "../protocol/messages/meta.ts";
import type { PresencePush } from "../protocol/messages/presence.ts";
import { SubscribeFlag } from "../protocol/messages/subscribe.ts";
import type { UnsubscribedPush } from "../protocol/messages/unsubscribe.ts";
import type { Commands } from "./commands.ts";
import type { Connector } from "./connector.ts";
import { badServerFrame, fromBroker } from "./errors.ts";
import type { TickwireError } from "./errors.ts";
import { Limiter } from "./limiter.ts";
import type { LocalSubscription } from "./local-subscription.ts";
import type { ResolvedOptions } from "./options.ts";
import type { Receipts } from "./receipts.ts";
import { SharedSubscription } from "./shared-subscription.ts";
import type { SubscriptionContext } from "./shared-subscription.ts";
import { Stream } from "./stream.ts";

/** Channels under patterns whose positions are kept over a reconnect, for each pattern there is. */
const MAX_REMEMBERED = 1024;
/** Channels one connection may announce; a client that needs more needs more connections. */
const MAX_CHANNELS = 100_000;
const MAX_HISTORIES_OUT = 32;

/** All subscriptions of a client: what to tell the broker about them, and where its pushes go. */
export class Subscriptions {
  readonly #byName = new Map<string, SharedSubscription>();
  readonly #streams = new Map<string, Stream>();
  /** Streams by the numbers of the current connection. */
  readonly #byId = new Map<number, Stream>();
  readonly #context: SubscriptionContext;
  readonly #connector: Connector;
  readonly #receipts: Receipts;
  #uses = 0;

  constructor(parts: {
    commands: Commands;
    options: ResolvedOptions;
    connector: Connector;
    receipts: Receipts;
  }) {
    const { commands, connector, receipts } = parts;
    const { random, clock } = parts.options;
    this.#connector = connector;
    this.#receipts = receipts;
    this.#context = {
      random,
      connector,
      access: { commands, clock, limiter: new Limiter(MAX_HISTORIES_OUT) },
      bind: (stream, channelId) => this.#bind(stream, channelId),
      streamsUnder: (pattern) => this.#streamsUnder(pattern),
      ended: (shared) => {
        if (this.#byName.get(shared.name) === shared) this.#byName.delete(shared.name);
        this.#retarget(shared);
      },
    };
  }

  add(member: LocalSubscription<unknown>, isPattern: boolean): void {
    const { name } = member;
    let shared = this.#byName.get(name);
    const stream = isPattern ? null : this.#stream(name);
    const isLive = stream !== null && stream.targets.length > 0;
    if (shared === undefined) {
      shared = new SharedSubscription(name, stream, this.#context);
      this.#byName.set(name, shared);
    }
    shared.join(member, isLive);
    this.#retarget(shared);
  }

  remove(member: LocalSubscription<unknown>): void {
    const shared = this.#byName.get(member.name);
    if (shared === undefined) return;
    shared.leave(member);
    if (shared.members.size > 0) this.#retarget(shared);
  }

  up(): void {
    for (const shared of this.#byName.values()) shared.up();
  }

  down(): void {
    this.#byId.clear();
    this.#context.access.limiter.reset();
    for (const shared of this.#byName.values()) {
      shared.down();
      for (const member of shared.members) member.interrupt();
    }
    for (const stream of this.#streams.values()) stream.interrupt();
    this.#forgetStreams();
  }

  /** Ends everything; with an error when that is not the application's wish. */
  end(error: TickwireError | null): void {
    for (const shared of Array.from(this.#byName.values())) {
      shared.down();
      for (const member of Array.from(shared.members)) member.end(error);
    }
    this.#byName.clear();
    this.#streams.clear();
    this.#byId.clear();
  }

  /** A publication; of a channel just unsubscribed, it goes nowhere. */
  publication(
    channelId: number,
    offset: number,
    source: Uint8Array,
    start: number,
    end: number,
    meta: PublicationMeta | null,
  ): void {
    const stream = this.#byId.get(channelId);
    if (stream === undefined) return;
    stream.usedAt = ++this.#uses;
    // Before the application has it: what it does with it is its own time.
    if ((this.#receipts.isDue || meta !== null) && stream.isLive(offset)) {
      this.#receipts.reached(channelId, offset, meta);
    }
    stream.publication(offset, source, start, end, meta);
  }

  channel(push: ChannelPush): void {
    const stream = this.#stream(push.name);
    this.#bind(stream, push.channelId);
    const isResumed = this.#patterns().some(
      (shared) => shared.isResumed && patternMatches(shared.name, push.name),
    );
    stream.announced(push.epoch, push.offset, isResumed);
  }

  gap(push: GapPush): void {
    this.#byId.get(push.channelId)?.gap(push);
  }

  presence(push: PresencePush): void {
    const stream = this.#byId.get(push.channelId);
    if (stream === undefined) return;
    const { connection, user } = push;
    for (const member of this.#membersFor(stream.name)) {
      if ((member.flags & SubscribeFlag.joinLeave) === 0) continue;
      member.emit(push.type, { channel: stream.name, connection, user });
    }
  }

  unsubscribed(push: UnsubscribedPush): void {
    this.#byName.get(push.channel)?.refused(fromBroker(push));
  }

  #stream(name: string): Stream {
    let stream = this.#streams.get(name);
    if (stream === undefined) {
      // A new connection recovers from the last position, and back-off keeps a faulty broker from being stormed.
      stream = new Stream(name, () =>
        this.#connector.drop(badServerFrame(`offsets of ${name} were skipped`)),
      );
      stream.targets = this.#membersFor(name);
      this.#streams.set(name, stream);
    }
    return stream;
  }

  #bind(stream: Stream, channelId: number): void {
    this.#byId.set(channelId, stream);
    if (this.#byId.size > MAX_CHANNELS) {
      this.#connector.drop(badServerFrame(`more than ${MAX_CHANNELS} channels`));
    }
  }

  #membersFor(name: string): LocalSubscription<unknown>[] {
    const members = [...(this.#byName.get(name)?.members ?? [])];
    for (const shared of this.#patterns()) {
      if (patternMatches(shared.name, name)) members.push(...shared.members);
    }
    return members;
  }

  #patterns(): SharedSubscription[] {
    return [...this.#byName.values()].filter((shared) => shared.stream === null);
  }

  /** The members of a shared subscription have changed. A stream left without any starts anew if it comes back. */
  #retarget(shared: SharedSubscription): void {
    const { name, stream } = shared;
    const streams = stream === null ? this.#streams.values() : [stream];
    for (const candidate of streams) {
      if (stream === null && !patternMatches(name, candidate.name)) continue;
      candidate.targets = this.#membersFor(candidate.name);
      if (candidate.targets.length === 0) {
        candidate.interrupt();
        candidate.forget();
      }
    }
  }

  #streamsUnder(pattern: string): Stream[] {
    return [...this.#streams.values()].filter(
      ({ name }) => !this.#byName.has(name) && patternMatches(pattern, name),
    );
  }

  /** Keeps the positions of channels subscribed by name, and of those used last under patterns. */
  #forgetStreams(): void {
    const streams = [...this.#streams.values()].filter(({ name }) => !this.#byName.has(name));
    const patterns = this.#patterns();
    const kept = MAX_REMEMBERED * patterns.length;
    for (const { name } of streams.toSorted((a, b) => b.usedAt - a.usedAt).slice(kept)) {
      this.#streams.delete(name);
      for (const shared of patterns) shared.hasForgotten ||= patternMatches(shared.name, name);
    }
  }
}
