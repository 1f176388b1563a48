import type { Clock, Logger } from "../../ports.ts";
import type { PublishTrace } from "../../tracing/publish-trace.ts";
import { localGroup, MessageKind, readMessage, readPresenceMessage } from "./envelope.ts";
import type { Group, PresenceChange } from "./envelope.ts";
import type { Keys } from "./keys.ts";
import type { RedisStream } from "./redis-stream.ts";
import type { StreamReader } from "./stream-reader.ts";

export interface InboxOptions {
  readonly keys: Keys;
  /** Name of this run of this node. */
  readonly incarnation: string;
  readonly streams: ReadonlyMap<string, RedisStream>;
  readonly reader: StreamReader;
  /** Opens, and attaches, a channel that only patterns reach. */
  readonly openUnknown: (channel: string) => void;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Brings publications and changes of presence to the streams they are for, from wherever they come. */
export class Inbox {
  readonly #options: InboxOptions;
  /** Interests in all channels. */
  #wantsAll = 0;

  constructor(options: InboxOptions) {
    this.#options = options;
  }

  addPatternInterest(): void {
    this.#wantsAll++;
  }

  removePatternInterest(): void {
    this.#wantsAll--;
  }

  /** Takes a pub/sub message. */
  received(pubsub: string, message: Buffer): void {
    try {
      if (message[0] === MessageKind.presence) {
        readPresenceMessage(message, (change) => this.#presenceChanged(pubsub, change));
      } else readMessage(message, (group) => this.#receivedGroup(group));
    } catch (error) {
      // Somebody else writes to our pub/sub channel: say so, and let the audit find what may be missing.
      this.#options.logger.log("error", "redis_message_unreadable", {
        channel: pubsub,
        error: String(error),
      });
    }
  }

  #receivedGroup(group: Group): void {
    const { streams, reader, openUnknown } = this.#options;
    let stream = streams.get(group.channel);
    if (stream !== undefined && this.#isKnown(stream, group)) return;
    if (stream === undefined || stream.phase === "detached") {
      if (this.#wantsAll === 0) return;
      openUnknown(group.channel);
      stream = streams.get(group.channel);
      if (stream === undefined || stream.phase === "detached" || this.#isKnown(stream, group)) {
        return;
      }
    }
    if (stream.phase === "reading") stream.hold(group);
    else reader.apply(stream, group);
  }

  /** Whoever is to have it on this node has had it since it was published here. */
  #isKnown(stream: RedisStream, { producer }: Group): boolean {
    return stream.isLocalFirst && producer === this.#options.incarnation;
  }

  /**
   * Takes a publication of this node on a local-first channel, before Redis has it: this node's subscribers get
   * it now, and what comes back of it is let go of.
   */
  publishedHere(
    stream: RedisStream,
    source: Uint8Array,
    start: number,
    end: number,
    meta: Uint8Array | null,
    trace: PublishTrace | null = null,
  ): void {
    const { reader, openUnknown, incarnation: producer, clock } = this.#options;
    // Sessions subscribed by pattern are on a channel once there is something to deliver.
    if (stream.phase === "detached" && this.#wantsAll > 0) openUnknown(stream.name);
    switch (stream.phase) {
      case "detached":
        return;
      case "live":
        reader.applyLocal(stream, source, start, end, meta, trace);
        return;
      case "reading": {
        const wallMs = clock.wallMs();
        const from = { producer, sentMs: wallMs, openedMs: wallMs };
        stream.hold(localGroup(stream.name, from, source, start, end, meta));
      }
    }
  }

  /** This node's own changes come back this way too, so that all nodes see them in one order. */
  #presenceChanged(pubsub: string, { type, channel, member }: PresenceChange): void {
    const { streams, keys } = this.#options;
    const stream = streams.get(channel);
    if (stream === undefined || stream.phase === "detached") return;
    // Who does not know which of the two a channel uses tells both.
    if (pubsub !== (stream.ownPubsub ?? keys.pubsub(stream.partition))) return;
    stream.listener?.presenceChanged(type, member);
  }
}
