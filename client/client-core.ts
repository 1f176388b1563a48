import type { ConnectedReply } from "../protocol/messages/connected.ts";
import type { ServerFrame } from "../protocol/push.ts";
import type { ClientEvents } from "./client-events.ts";
import { Commands } from "./commands.ts";
import type { ResultHandler } from "./commands.ts";
import { Connector } from "./connector.ts";
import { deferred } from "./deferred.ts";
import { badServerFrame, closedError, fromBroker, TickwireError } from "./errors.ts";
import { Emitter } from "./events.ts";
import { Incoming } from "./incoming.ts";
import { resolveOptions } from "./options.ts";
import type { ClientOptions, ResolvedOptions } from "./options.ts";
import { Outgoing } from "./outgoing.ts";
import { notConnected, Publisher } from "./publisher.ts";
import { Receipts } from "./receipts.ts";
import type { ClockReading } from "./receipts.ts";
import { Requests } from "./requests.ts";
import { Subscriptions } from "./subscriptions.ts";
import { TokenSource } from "./token.ts";

/** How long `close` waits for answers that are due, ms. */
const CLOSE_GRACE_MS = 2000;

/** The parts of a client, joined: who hears of the connection's turns, and where each frame goes. */
export class ClientCore {
  readonly options: ResolvedOptions;
  readonly events: Emitter<ClientEvents>;
  readonly commands: Commands;
  readonly connector: Connector;
  readonly subscriptions: Subscriptions;
  readonly publisher: Publisher;
  readonly receipts: Receipts;
  readonly #requests: Requests;
  readonly #outgoing: Outgoing;
  readonly #tokens: TokenSource;
  readonly #incoming: Incoming;
  /** Of the connection there is or the next one. */
  #ready = deferred<void>();
  #closing: Promise<void> | null = null;
  #isReporting = false;

  constructor(url: string | URL, clientOptions: ClientOptions) {
    const options = resolveOptions(clientOptions);
    const { clock } = options;
    const events = new Emitter<ClientEvents>((error) => this.reportThrow(error));
    const requests = new Requests(clock, options.requestTimeoutMs);
    const outgoing = new Outgoing((message) => this.connector.send(message));
    const tokens = new TokenSource(clientOptions.token, clock);
    const commands = new Commands(requests, outgoing);
    const receipts = new Receipts({ options, commands, outgoing });
    const connector = new Connector({
      url: String(url),
      options,
      tokens,
      requests,
      events,
      handlers: {
        onMessage: (message) => this.#message(message),
        onPing: () => receipts.measure(),
        onUp: (reply, askedAtMs) => this.#up(reply, askedAtMs),
        onDown: () => this.#down(),
        onEnd: (error) => this.#settle(error),
      },
    });
    this.options = options;
    this.events = events;
    this.commands = commands;
    this.connector = connector;
    this.#requests = requests;
    this.#outgoing = outgoing;
    this.#tokens = tokens;
    this.receipts = receipts;
    this.#incoming = new Incoming({
      onPublication: (channelId, offset, message, start, end) =>
        this.subscriptions.publication(channelId, offset, message, start, end, null),
      onFrame: (frame) => this.#frame(frame),
      isCurrent: () => connector.isOpen,
    });
    this.subscriptions = new Subscriptions({ commands, options, connector, receipts });
    this.publisher = new Publisher({
      options,
      requests,
      outgoing,
      connector,
      onDropped: (error) => events.emit("error", error),
    });
    // After the caller has had the chance to add its listeners.
    queueMicrotask(() => connector.start());
  }

  get isClosed(): boolean {
    return this.#closing !== null || this.connector.state === "closed";
  }

  ready(): Promise<void> {
    return this.#ready.promise;
  }

  /**
   * Sends a command once there is a connection, waiting for one as long as for an answer.
   * Rejects with a TickwireError.
   */
  async ask<T>(send: (handler: ResultHandler<T>) => void): Promise<T> {
    const { clock, requestTimeoutMs } = this.options;
    if (this.connector.reply === null) {
      const timeout = new Promise<void>((_resolve, reject) => {
        clock.after(requestTimeoutMs, () => reject(notConnected("no connection in time")));
      });
      await Promise.race([this.ready(), timeout]);
    }
    return new Promise((resolve, reject) => send({ onResult: resolve, onError: reject }));
  }

  /** Round trip and how far the broker's wall clock is ahead of this one, ms. */
  ping(): Promise<ClockReading> {
    return this.ask((handler) => this.receipts.measure(handler));
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** What the application's code threw where the SDK called it. */
  reportThrow(cause: unknown): void {
    if (this.events.has("error") && !this.#isReporting) {
      this.#isReporting = true;
      const message = "a callback of the application threw";
      this.events.emit("error", new TickwireError("listener_failed", message, { cause }));
      this.#isReporting = false;
    } else {
      // Nobody listens: it surfaces as any exception in an event listener does.
      queueMicrotask(() => {
        throw cause;
      });
    }
  }

  async #close(): Promise<void> {
    if (this.connector.reply !== null) {
      // What was published in this tick leaves in a microtask that is already waiting.
      await new Promise<void>((resolve) => {
        const cancel = this.options.clock.after(CLOSE_GRACE_MS, resolve);
        this.#requests.whenIdle(() => {
          cancel();
          resolve();
        });
      });
    }
    const stopped = this.connector.stop();
    this.#settle(null);
    await stopped;
  }

  #up(reply: ConnectedReply, askedAtMs: number): void {
    this.#outgoing.maxMessageBytes = reply.limits.maxMessageBytes;
    this.receipts.up(reply, askedAtMs);
    this.subscriptions.up();
    this.publisher.up();
    this.#ready.resolve();
  }

  #down(): void {
    this.#ready = deferred();
    this.#outgoing.clear();
    this.receipts.down();
    this.subscriptions.down();
  }

  /** Nothing more will come: everybody who waits is told. */
  #settle(error: TickwireError | null): void {
    const reason = error ?? closedError();
    this.#ready.reject(reason);
    this.#ready = deferred();
    this.#ready.reject(reason);
    this.#outgoing.clear();
    this.receipts.down();
    this.publisher.end();
    this.#requests.failAll(reason);
    this.subscriptions.end(error);
  }

  #message(message: Uint8Array): void {
    try {
      this.#incoming.read(message);
    } catch (error) {
      this.connector.drop(badServerFrame(error));
    }
  }

  #frame(frame: ServerFrame): void {
    const { subscriptions, connector } = this;
    switch (frame.type) {
      case "publication": {
        const { channelId, offset, payload, meta } = frame;
        return subscriptions.publication(channelId, offset, payload, 0, payload.length, meta);
      }
      case "ok":
        return this.#requests.reply(frame.id, frame.result);
      case "pong":
      case "connected":
        return this.#requests.reply(frame.id, frame);
      case "error":
        // Id 0: an error of a command that wants no answer.
        if (frame.id === 0) this.events.emit("error", fromBroker(frame));
        else this.#requests.fail(frame.id, fromBroker(frame));
        return;
      case "channel":
        return subscriptions.channel(frame);
      case "gap":
        return subscriptions.gap(frame);
      case "join":
      case "leave":
        return subscriptions.presence(frame);
      case "unsubscribed":
        return subscriptions.unsubscribed(frame);
      case "drain":
        return connector.drain(frame.windowMs);
      case "notice":
        return this.events.emit(frame.type, frame);
      case "token-expiring":
        void this.#refresh();
        return;
    }
  }

  /** The token is about to expire: gets another and hands it in. If that fails the broker closes in time. */
  async #refresh(): Promise<void> {
    if (!this.#tokens.isRenewable) return;
    try {
      this.#tokens.forget();
      const token = await this.#tokens.get();
      // On a connection made meanwhile it is not needed; the token is kept for the next.
      if (token === null || this.connector.reply === null) return;
      const expiresInMs = await this.ask<number>((handler) =>
        this.commands.refresh(token, handler),
      );
      this.#tokens.accepted(expiresInMs);
    } catch (error) {
      this.events.emit("error", error as TickwireError);
    }
  }
}
