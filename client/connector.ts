import { encodeConnect } from "../protocol/messages/connect.ts";
import type { ConnectedReply } from "../protocol/messages/connected.ts";
import { PROTOCOL_VERSION } from "../protocol/version.ts";
import type { ClientEvents, ConnectionState } from "./client-events.ts";
import { noTimer } from "./clock.ts";
import { Code } from "./codes.ts";
import { badServerFrame, fromCode, TickwireError } from "./errors.ts";
import type { Emitter } from "./events.ts";
import { Liveness } from "./liveness.ts";
import type { ResolvedOptions } from "./options.ts";
import type { Requests } from "./requests.ts";
import { RetryPolicy } from "./retry-policy.ts";
import type { TokenSource } from "./token.ts";
import { Transport } from "./transport.ts";
import { encodeFrame } from "./value-codec.ts";

/** A connection that lasts this long was a good one: back-off starts anew, ms. */
const STABLE_MS = 10_000;
/** How long `stop` waits for the server's half of the closing handshake, ms. */
const CLOSE_WAIT_MS = 1000;

export interface ConnectorHandlers {
  onMessage(message: Uint8Array): void;
  /** Time for a heartbeat. */
  onPing(): void;
  /** The broker has accepted this connection, asked at that time of the monotonic clock, ms. */
  onUp(reply: ConnectedReply, askedAtMs: number): void;
  /** A connection that was up is gone; another attempt follows, or `onEnd`. */
  onDown(): void;
  /** There will be no other connection. */
  onEnd(error: TickwireError): void;
}

export interface ConnectorParts {
  readonly url: string;
  readonly options: ResolvedOptions;
  readonly tokens: TokenSource;
  readonly requests: Requests;
  readonly events: Emitter<ClientEvents>;
  readonly handlers: ConnectorHandlers;
}

/**
 * Keeps one connection to the broker: opens it, introduces itself, notices its end, waits and tries again,
 * until told to stop or told by the broker that trying is useless.
 *
 *   connecting --accepted--> connected --lost--> reconnecting --delay--> connecting
 *        \------------------------ lost ---------------^         any --stop, terminal--> closed
 */
export class Connector {
  readonly #parts: ConnectorParts;
  readonly #policy: RetryPolicy;
  #state: ConnectionState = "connecting";
  /** Counts attempts; what belongs to an earlier one compares unequal and is ignored. */
  #generation = 0;
  #transport: Transport | null = null;
  #liveness: Liveness | null = null;
  #reply: ConnectedReply | null = null;
  /** The timer of the state: the attempt's end, the delay before the next, or when it counts as good. */
  #cancelTimer = noTimer;
  #cancelDrain = noTimer;

  constructor(parts: ConnectorParts) {
    this.#parts = parts;
    this.#policy = new RetryPolicy(parts.options.clock, parts.options.random);
  }

  get state(): ConnectionState {
    return this.#state;
  }

  /** What the broker said when it accepted the current connection; null while there is none. */
  get reply(): ConnectedReply | null {
    return this.#reply;
  }

  /** Whether there is a socket, connected or about to be. */
  get isOpen(): boolean {
    return this.#transport !== null;
  }

  get bufferedBytes(): number {
    return this.#transport?.bufferedBytes ?? 0;
  }

  /** Begins the next attempt. */
  start(): void {
    if (this.#state === "closed") return;
    const { events, options } = this.#parts;
    const { connectTimeoutMs } = options;
    const generation = ++this.#generation;
    this.#state = "connecting";
    this.#after(connectTimeoutMs, () => {
      const message = `not connected within ${connectTimeoutMs} ms`;
      this.#lost(new TickwireError("connect_timeout", message, { retry: "backoff" }));
    });
    events.emit("connecting", { attempt: this.#policy.attempt });
    void this.#open(generation);
  }

  send(message: Uint8Array<ArrayBuffer>): void {
    this.#transport?.send(message);
    this.#liveness?.sent();
  }

  /** Gives up this connection, because of what was found out about it, and goes on with another. */
  drop(error: TickwireError): void {
    this.#parts.events.emit("error", error);
    this.#lost(error);
  }

  /** The broker is going away: moves at a random moment of the window, once what is asked has been answered. */
  drain(windowMs: number): void {
    const { options, requests } = this.#parts;
    const generation = this.#generation;
    const move = (): void => {
      if (generation === this.#generation) this.#lost(fromCode(Code.drain, "drain"));
    };
    this.#cancelDrain();
    this.#cancelDrain = options.clock.after(this.#policy.drain(windowMs), () => {
      // After the microtask in which this tick's frames leave.
      requests.whenIdle(() => queueMicrotask(move));
    });
  }

  /** Closes for good. Resolves when the socket is gone, or has had a second to go. */
  stop(): Promise<void> {
    const transport = this.#transport;
    if (this.#state !== "closed") {
      this.#discard("");
      this.#state = "closed";
      this.#parts.events.emit("closed", { code: 1000, reason: "", terminal: false });
    }
    return new Promise((resolve) => {
      if (transport === null) return resolve();
      this.#after(CLOSE_WAIT_MS, resolve);
      transport.whenGone(() => {
        this.#cancelTimer();
        resolve();
      });
    });
  }

  #after(delayMs: number, callback: () => void): void {
    this.#cancelTimer();
    this.#cancelTimer = this.#parts.options.clock.after(delayMs, callback);
  }

  async #open(generation: number): Promise<void> {
    const { url, options, tokens } = this.#parts;
    try {
      const token = await tokens.get();
      if (generation !== this.#generation) return;
      this.#transport = new Transport(url, options.WebSocket, {
        onOpen: () => this.#introduce(token),
        onMessage: (message) => this.#message(message),
        onClose: (code, reason) => this.#lost(fromCode(code, reason)),
      });
    } catch (error) {
      if (generation !== this.#generation) return;
      if (error instanceof TickwireError) this.drop(error);
      // The WebSocket class does not like the URL, or a page's policy does not.
      else this.#lost(new TickwireError("bad_argument", String(error), { cause: error }));
    }
  }

  #introduce(token: string | null): void {
    const { options, requests } = this.#parts;
    const generation = this.#generation;
    const askedAtMs = options.clock.nowMs();
    const id = requests.open({
      onReply: (reply) => this.#accepted(reply as ConnectedReply | null, askedAtMs),
      onError: (error) => {
        if (generation === this.#generation) this.#lost(error);
      },
    });
    const command = { id, version: PROTOCOL_VERSION, token, client: options.name };
    this.send(encodeFrame(encodeConnect(command)));
  }

  #message(message: Uint8Array | null): void {
    this.#liveness?.received();
    if (message === null) this.drop(badServerFrame("a text message"));
    else this.#parts.handlers.onMessage(message);
  }

  #accepted(reply: ConnectedReply | null, askedAtMs: number): void {
    if (reply?.version !== PROTOCOL_VERSION) {
      return this.#lost(fromCode(Code.unsupportedVersion, `version ${reply?.version}`));
    }
    const { options, tokens, events, handlers } = this.#parts;
    const { connection, user, node, limits } = reply;
    this.#state = "connected";
    this.#reply = reply;
    tokens.accepted(reply.tokenExpiresInMs);
    this.#after(STABLE_MS, () => this.#policy.stable());
    this.#liveness = new Liveness({
      clock: options.clock,
      intervalMs: limits.pingIntervalMs,
      sendPing: () => handlers.onPing(),
      onDead: () => this.drop(fromCode(Code.noPong, "nothing heard from the broker")),
    });
    handlers.onUp(reply, askedAtMs);
    events.emit("connected", { connection, user, node });
  }

  /** The connection, or the attempt at one, has failed. */
  #lost(error: TickwireError): void {
    if (this.#state === "closed" || this.#state === "reconnecting") return;
    const { tokens, handlers, requests, events } = this.#parts;
    const wasUp = this.#state === "connected";
    const delayMs = this.#policy.delayMs(error, tokens.isRenewable);
    this.#discard(error.code);
    if (delayMs === null) {
      this.#state = "closed";
      handlers.onEnd(error);
      const { number: code, message: reason } = error;
      events.emit("closed", { code, reason, terminal: true });
      return;
    }
    this.#state = "reconnecting";
    this.#after(delayMs, () => this.start());
    if (wasUp) handlers.onDown();
    requests.failConnection(
      new TickwireError("connection_lost", `the connection ended: ${error.message}`, {
        number: error.number,
        retry: "backoff",
        mayHaveHappened: true,
        cause: error,
      }),
    );
    if (error.number === Code.unauthorized || error.number === Code.tokenExpired) {
      tokens.forget();
    }
    // What has been called may have closed the client.
    if (this.state !== "reconnecting") return;
    events.emit("reconnecting", { delayMs, attempt: this.#policy.attempt, error });
  }

  /** Lets go of the socket and of every timer of the current attempt. */
  #discard(reason: string): void {
    this.#generation++;
    this.#cancelTimer();
    this.#cancelDrain();
    this.#liveness?.stop();
    this.#liveness = null;
    this.#transport?.close(reason);
    this.#transport = null;
    this.#reply = null;
  }
}
