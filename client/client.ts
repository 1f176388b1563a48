import { MAX_HISTORY_LIMIT } from "../protocol/limits.ts";
import type { ConnectionLimits } from "../protocol/messages/connected.ts";
import type { PresenceMember } from "../protocol/messages/presence.ts";
import type { PublishedResult } from "../protocol/messages/publish.ts";
import { SubscribeFlag } from "../protocol/messages/subscribe.ts";
import type { StreamPosition } from "../protocol/position.ts";
import { checkName } from "./channel.ts";
import type { Channel } from "./channel.ts";
import { ClientCore } from "./client-core.ts";
import type { ClientEvents, ConnectionState } from "./client-events.ts";
import type { HistoryPage } from "./commands.ts";
import { closedError } from "./errors.ts";
import { LocalSubscription } from "./local-subscription.ts";
import { positive } from "./options.ts";
import type { ClientOptions } from "./options.ts";
import { Publication } from "./publication.ts";
import { publicationMeta } from "./publish-options.ts";
import type { PublishOptions } from "./publish-options.ts";
import { recoverFrom } from "./subscription.ts";
import type { SubscribeOptions, Subscription } from "./subscription.ts";
import { decodeWith, encodePayload } from "./value-codec.ts";
import type { Decode, DecodedBy, Decoding, Encoding } from "./value-codec.ts";

/** Channel names found valid, so that a busy publisher's are checked once. */
const MAX_CHECKED_NAMES = 1024;
const DEFAULT_MAX_QUEUED = 10_000;
const DEFAULT_HISTORY_LIMIT = 100;
/** `drained` resolves when no more than this waits, bytes. */
const LOW_WATER_BYTES = 64 << 10;
/** Sockets of browsers have no event for it, so `drained` looks this often, ms. */
const DRAIN_POLL_MS = 10;

export interface HistoryOptions {
  /** Publications at most, up to 1000; 0 asks for the position alone. Default 100. */
  readonly limit?: number;
  /** Oldest first after this position; without it the newest `limit`, in order. */
  readonly since?: StreamPosition;
}

/** What `history` gives. */
export interface History<T> extends Omit<HistoryPage, "publications"> {
  readonly publications: readonly Publication<T>[];
}

/** What publishing needs of a channel of any type. */
type Writable = Pick<Channel<never>, "name" | "encoding">;

/**
 * A connection to a Tickwire broker that mends itself: it reconnects with back-off, subscribes again, and recovers
 * what was missed, so that a subscription sees every publication once and in order, or is told of the gap.
 *
 * It starts to connect when made. Nothing here needs to wait for that: subscriptions, publications and
 * questions wait by themselves.
 */
export class TickwireClient {
  readonly #core: ClientCore;
  readonly #checkedNames = new Set<string>();

  /**
   * @param url as the WebSocket class takes it; one it refuses ends the client with `bad_argument`
   * @throws TickwireError `bad_argument` for options that make no sense
   */
  constructor(url: string | URL, options: ClientOptions = {}) {
    this.#core = new ClientCore(url, options);
  }

  get state(): ConnectionState {
    return this.#core.connector.state;
  }

  /** The broker's name for the current connection; null while there is none. */
  get connection(): string | null {
    return this.#core.connector.reply?.connection ?? null;
  }

  /**
   * The broker's clock as this client estimates it, ms since 1970 with fractions; null while there is no connection.
   * The quickest answer to `ping` makes it as good as it gets.
   */
  get serverTimeMs(): number | null {
    return this.#core.connector.reply && this.#core.receipts.serverTimeMs;
  }

  /** What the broker accepts from the current connection; null while there is none. */
  get limits(): ConnectionLimits | null {
    return this.#core.connector.reply?.limits ?? null;
  }

  /** Bytes published that have not left this process. Publish less while it is high; see `drained`. */
  get bufferedBytes(): number {
    return this.#core.publisher.bufferedBytes;
  }

  /** Adds a listener; the returned function removes it. */
  on<Name extends keyof ClientEvents>(
    name: Name,
    listener: (event: ClientEvents[Name]) => void,
  ): () => void {
    return this.#core.events.on(name, listener);
  }

  /** Resolves when connected. Rejects with a TickwireError when the client is, or gets, closed. */
  ready(): Promise<void> {
    return this.#core.ready();
  }

  /**
   * Subscribes to a channel or pattern; see `Subscription` for how to read it.
   * @throws TickwireError `bad_channel`, `bad_argument` or `closed`; what the broker says against it
   * comes by `ready()` and the event `unsubscribed`
   */
  subscribe<T>(
    channel: Channel<T>,
    options?: SubscribeOptions,
    onPublication?: (publication: Publication<T>) => void,
  ): Subscription<T>;
  subscribe<T>(
    channel: string,
    options: SubscribeOptions & { readonly decode: Decode<T> },
    onPublication?: (publication: Publication<T>) => void,
  ): Subscription<T>;
  subscribe<Name extends keyof DecodedBy = "value">(
    channel: string,
    options?: SubscribeOptions & { readonly decode?: Name },
    onPublication?: (publication: Publication<DecodedBy[Name]>) => void,
  ): Subscription<DecodedBy[Name]>;
  subscribe(
    channel: string | Channel<unknown>,
    options: SubscribeOptions & { readonly decode?: Decoding } = {},
    onPublication?: (publication: Publication<never>) => void,
  ): Subscription {
    const { name, decode } = reading(channel, options.decode);
    const isPattern = checkName(name, true) === "pattern";
    if (this.#core.isClosed) throw closedError();
    const { presence = false, joinLeave = false } = options;
    const subscription = new LocalSubscription<unknown>({
      name,
      decode,
      recover: recoverFrom(options.recover, isPattern),
      flags: (presence ? SubscribeFlag.presence : 0) | (joinLeave ? SubscribeFlag.joinLeave : 0),
      maxQueued: positive(options, "maxQueued", DEFAULT_MAX_QUEUED),
      onPublication: onPublication as ((publication: Publication) => void) | undefined,
      onThrow: (error) => this.#core.reportThrow(error),
      onUnsubscribe: (member) => this.#core.subscriptions.remove(member),
    });
    this.#core.subscriptions.add(subscription, isPattern);
    return subscription;
  }

  /**
   * Publishes and resolves with the publication's place once the broker has stored it. A Uint8Array goes as
   * it is, any other value as msgpack unless the options or the channel say otherwise; it is encoded before
   * the call returns.
   *
   * Without a connection it waits for one, within `queueWhileDisconnected`. When the connection ends before
   * the answer it rejects with `connection_lost` and nobody knows whether it was published
   * (`mayHaveHappened`), unless it has an `id`: then it is published again on the next connection, and the
   * broker sees to it that it happens once.
   *
   * Rejects with a TickwireError, for example `forbidden`, `too_large`, `queue_full`, `request_timeout`.
   */
  publish<T>(channel: Channel<T>, value: T, options?: PublishOptions): Promise<PublishedResult>;
  publish<T>(
    channel: string,
    value: T,
    options?: PublishOptions & { readonly encode?: Encoding<T> },
  ): Promise<PublishedResult>;
  publish(
    channel: string | Writable,
    value: unknown,
    options?: PublishOptions & { readonly encode?: Encoding },
  ): Promise<PublishedResult> {
    try {
      return this.#core.publisher.publish(...this.#publishable(channel, value, options));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Publishes without an answer: the cheapest way, for what is soon out of date. Returns false when there was no
   * room for it (`queueWhileDisconnected`, `maxBufferedBytes`). What the broker has against it comes as
   * an `error` event.
   * @throws TickwireError `bad_channel`, `encode_failed`, `too_large`
   */
  send<T>(channel: Channel<T>, value: T, options?: PublishOptions): boolean;
  send<T>(
    channel: string,
    value: T,
    options?: PublishOptions & { readonly encode?: Encoding<T> },
  ): boolean;
  send(
    channel: string | Writable,
    value: unknown,
    options?: PublishOptions & { readonly encode?: Encoding },
  ): boolean {
    return this.#core.publisher.send(...this.#publishable(channel, value, options));
  }

  /** Resolves when little of what was published still waits here. Rejects when the client is closed. */
  async drained(): Promise<void> {
    const { clock } = this.#core.options;
    while (this.bufferedBytes > LOW_WATER_BYTES) {
      await new Promise<void>((resolve) => clock.after(DRAIN_POLL_MS, resolve));
      if (this.#core.isClosed) throw closedError();
    }
  }

  /** Reads kept publications of one channel. Rejects with a TickwireError. */
  history<T>(channel: Channel<T>, options?: HistoryOptions): Promise<History<T>>;
  history<T>(
    channel: string,
    options: HistoryOptions & { readonly decode: Decode<T> },
  ): Promise<History<T>>;
  history<Name extends keyof DecodedBy = "value">(
    channel: string,
    options?: HistoryOptions & { readonly decode?: Name },
  ): Promise<History<DecodedBy[Name]>>;
  async history(
    channel: string | Channel<unknown>,
    options: HistoryOptions & { readonly decode?: Decoding } = {},
  ): Promise<History<unknown>> {
    const { name, decode } = reading(channel, options.decode);
    this.#checkName(name);
    const command = {
      channel: name,
      limit: Math.min(options.limit ?? DEFAULT_HISTORY_LIMIT, MAX_HISTORY_LIMIT),
      since: options.since ?? null,
    };
    const page = await this.#core.ask<HistoryPage>((handler) =>
      this.#core.commands.history(command, handler),
    );
    const publications = page.publications.map((item) => new Publication(item, decode));
    return { ...page, publications };
  }

  /** Who is present in a channel. Rejects with a TickwireError. */
  async presence(channel: string | { readonly name: string }): Promise<PresenceMember[]> {
    const name = nameOf(channel);
    this.#checkName(name);
    return this.#core.ask((handler) => this.#core.commands.presence(name, handler));
  }

  /**
   * Measures the round trip and how far the broker's wall clock is ahead of this one, both ms.
   * Rejects with a TickwireError.
   */
  ping(): Promise<{ rttMs: number; clockOffsetMs: number }> {
    return this.#core.ping();
  }

  /**
   * Sends what was published, waits up to two seconds for answers that are due, and closes. Loops over
   * subscriptions finish after what they have queued.
   */
  close(): Promise<void> {
    return this.#core.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #publishable(
    channel: string | Writable,
    value: unknown,
    options: (PublishOptions & { readonly encode?: Encoding }) | undefined,
  ): Parameters<ClientCore["publisher"]["publish"]> {
    const name = nameOf(channel);
    this.#checkName(name);
    if (this.#core.isClosed) throw closedError();
    const encoding = options?.encode ?? (typeof channel === "string" ? "value" : channel.encoding);
    const payload = encodePayload(value, encoding as Encoding<unknown>);
    return [name, payload, publicationMeta(options)];
  }

  #checkName(name: string): void {
    if (this.#checkedNames.has(name)) return;
    checkName(name, false);
    if (this.#checkedNames.size >= MAX_CHECKED_NAMES) this.#checkedNames.clear();
    this.#checkedNames.add(name);
  }
}

/**
 * Makes a client and waits until it is connected.
 * Rejects with a TickwireError when the broker refuses it for good; until then it goes on trying.
 */
export async function connect(
  url: string | URL,
  options: ClientOptions = {},
): Promise<TickwireClient> {
  const client = new TickwireClient(url, options);
  await client.ready();
  return client;
}

function nameOf(channel: string | Pick<Writable, "name">): string {
  return typeof channel === "string" ? channel : channel.name;
}

function reading(
  channel: string | Channel<unknown>,
  decoding: Decoding = "value",
): { name: string; decode: Decode<unknown> } {
  if (typeof channel !== "string") return channel;
  return { name: channel, decode: decodeWith(decoding) };
}
