import { Code } from "../../protocol/codes.ts";
import type { CodeInfo } from "../../protocol/codes.ts";
import type { Frame } from "../../protocol/frame.ts";
import { encodeError } from "../../protocol/messages/reply.ts";
import type { BrokerError } from "../api.ts";
import type { Batch, Channel, Subscriber } from "../channels/channel.ts";
import type { PublishAck } from "../engine/engine.ts";
import type { Identity } from "../ports.ts";
import type { RateLimit } from "../rate-limit.ts";
import type { DropReason, RateReason, Stats } from "../stats.ts";
import type { Outbound } from "./outbound.ts";
import type { Socket } from "./socket.ts";

/** A session's subscription, by the name it was made with. */
export type Subscription =
  | { readonly type: "channel"; readonly channel: Channel; readonly subscriber: Subscriber }
  | { readonly type: "pattern"; readonly pattern: string; readonly flags: number }
  /** Waits for the engine to confirm. */
  | { readonly type: "pending"; readonly flags: number; isCancelled: boolean };

/** Where a session stands between its first byte and its last. */
export type SessionState = "new" | "authenticating" | "connected" | "closed";

export interface SessionOptions {
  readonly id: string;
  readonly format: "msgpack" | "json";
  readonly address: string;
  /** Whom failed authentications count against; left out or null: nobody. */
  readonly failureKey?: string | null;
  readonly socket: Socket;
  readonly stats: Stats;
  readonly sinceMs: number;
  readonly openedMs: number;
  readonly publishLimit: RateLimit;
  readonly publishByteLimit: RateLimit;
  readonly commandLimit: RateLimit;
  /** Identity verified before the upgrade, when the request carried a token. */
  readonly identity: Identity | null;
  readonly createOutbound: (session: Session) => Outbound;
  /** Hears that what waits in its outbound will never leave, before that is let go of. */
  readonly onLost?: ((session: Session, reason: DropReason) => void) | undefined;
}

/** One client's state, and nothing that acts on it: dispatch and commands do that. */
export class Session implements PublishAck {
  readonly id: string;
  readonly format: "msgpack" | "json";
  readonly address: string;
  readonly failureKey: string | null;
  readonly socket: Socket;
  readonly outbound: Outbound;
  readonly sinceMs: number;
  /** Monotonic time at which the socket opened, for the pre-auth bound. */
  readonly openedMs: number;
  readonly publishLimit: RateLimit;
  readonly publishByteLimit: RateLimit;
  readonly commandLimit: RateLimit;
  readonly #stats: Stats;
  readonly #onLost: SessionOptions["onLost"];

  state: SessionState = "new";
  identity: Identity | null;
  /** What the client calls itself. */
  client: string | null = null;
  readonly subscriptions = new Map<string, Subscription>();
  /** Ids of channels announced to this session because a pattern matched, and the hub's generation then. */
  readonly announced = new Map<number, number>();
  /** Anything was received since the last sweep. */
  wasHeard = true;
  /** Monotonic time of the last sweep that found it heard. */
  lastHeardMs: number;
  wasPinged = false;
  /** What it was last told does not reach this node: one subscription, null for several; undefined for none. */
  toldDegraded: string | null | undefined = undefined;
  wasToldOfExpiry = false;
  /** When a delivery of its own was last traced for being late or lost (clock ms). */
  tracedLateMs = -Infinity;
  /** Found too slow; it is closed as soon as the fan-out under way is done. */
  isCondemned = false;
  /** Refusals for flooding since the last sweep. */
  floodCount = 0;
  /** Messages received while the token was being verified, handled once it is. */
  heldMessages: (Uint8Array | string)[] = [];
  heldBytes = 0;
  /** What the hub has for this session in the flush of several channels under way. */
  stagedBatch: Batch | null = null;
  readonly moreStagedBatches: Batch[] = [];
  /** Publications of this session that are in transforms now. */
  transformPending = 0;
  /** The channel of the last publish and its name's bytes: most publishers stay on one. */
  lastChannelName: Uint8Array | null = null;
  lastChannel: Channel | null = null;

  constructor(options: SessionOptions) {
    this.id = options.id;
    this.format = options.format;
    this.address = options.address;
    this.failureKey = options.failureKey ?? null;
    this.socket = options.socket;
    this.#stats = options.stats;
    this.#onLost = options.onLost;
    this.sinceMs = options.sinceMs;
    this.openedMs = options.openedMs;
    this.lastHeardMs = options.openedMs;
    this.publishLimit = options.publishLimit;
    this.publishByteLimit = options.publishByteLimit;
    this.commandLimit = options.commandLimit;
    this.identity = options.identity;
    this.outbound = options.createOutbound(this);
  }

  reply(frame: Frame): void {
    this.outbound.frame(frame);
  }

  /** Answers a command with an error; the connection lives. */
  fail(
    requestId: number,
    info: CodeInfo,
    message?: string,
    retryAfterMs: number | null = null,
  ): void {
    this.#stats.errored(info);
    this.outbound.frame(encodeError(requestId, info, message, retryAfterMs));
  }

  published(requestId: number, offset: number, epoch: string): void {
    if (requestId !== 0) this.outbound.published(requestId, offset, epoch);
  }

  publishFailed(requestId: number, error: BrokerError): void {
    this.fail(requestId, error.info, error.message, error.retryAfterMs);
  }

  /** Ends the connection with a code; what was queued before leaves first where the socket lets it. */
  close(info: CodeInfo, message: string = info.text): void {
    if (this.state === "closed") return;
    // First of all: the last replies may be what makes it too slow, and that must not close it again.
    this.state = "closed";
    this.outbound.flush();
    this.discard("closed");
    this.#stats.closed(info.name);
    this.socket.close(info, message);
  }

  /** Lets go of everything that waits to leave, for good. */
  discard(reason: DropReason): void {
    if (this.outbound.hasQueue) this.#onLost?.(this, reason);
    this.#stats.dropped(reason, this.outbound.discard());
  }

  /** An error reply, and then the close, with the same code. */
  failAndClose(
    requestId: number,
    info: CodeInfo,
    message?: string,
    retryAfterMs: number | null = null,
  ): void {
    this.fail(requestId, info, message, retryAfterMs);
    this.close(info, message);
  }

  /** Forgets what was decided with the identity it had. */
  forgetDecisions(): void {
    this.lastChannel = null;
    this.lastChannelName = null;
  }

  /** Flooding is answered with errors, and in the end with a close. */
  flooded(requestId: number, reason: RateReason, retryAfterMs: number): void {
    this.#stats.rateRefused(reason);
    this.floodCount++;
    const { tooManyRequests } = Code;
    if (this.floodCount > 100)
      this.failAndClose(requestId, tooManyRequests, undefined, retryAfterMs);
    else this.fail(requestId, tooManyRequests, undefined, retryAfterMs);
  }
}
