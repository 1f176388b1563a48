import type { RecoverFrom, SubscribedResult } from "../protocol/messages/subscribe.ts";
import { Backoff } from "./backoff.ts";
import type { HistoryAccess } from "./catch-up.ts";
import { noTimer } from "./clock.ts";
import type { Connector } from "./connector.ts";
import type { TickwireError } from "./errors.ts";
import type { LocalSubscription } from "./local-subscription.ts";
import type { Stream } from "./stream.ts";

/** What a shared subscription needs from the registry that holds it. */
export interface SubscriptionContext {
  readonly access: HistoryAccess;
  readonly random: () => number;
  readonly connector: Connector;
  /** The broker's number for the stream's channel on this connection. */
  readonly bind: (stream: Stream, channelId: number) => void;
  /** Streams that only patterns bring, of those this pattern matches. */
  readonly streamsUnder: (pattern: string) => Stream[];
  /** The subscription is over at this side; its members are no targets any more. */
  readonly ended: (subscription: SharedSubscription) => void;
}

type State = "idle" | "sent" | "subscribed";

/** The one subscription to a name that the broker sees, shared by everything local with that name. */
export class SharedSubscription {
  readonly name: string;
  readonly members = new Set<LocalSubscription<unknown>>();
  readonly #context: SubscriptionContext;
  /** The channel's stream; null for a pattern, which has many. */
  readonly stream: Stream | null;
  readonly #backoff: Backoff;
  #state: State = "idle";
  /** Counts subscribe commands; the answer to an earlier one is not for us. */
  #attempt = 0;
  #flags = 0;
  /** What the first member asked for, until there is a position of our own. */
  #initial: RecoverFrom = { type: "none" };
  /** Members that have to read history by themselves. */
  readonly #late = new Set<LocalSubscription<unknown>>();
  #wasSubscribed = false;
  /** Subscribed on an earlier connection as well. */
  isResumed = false;
  /** A position had to be given up, so something may be missing when it is next subscribed. */
  hasForgotten = false;
  #cancelRetry = noTimer;

  constructor(name: string, stream: Stream | null, context: SubscriptionContext) {
    this.name = name;
    this.stream = stream;
    this.#context = context;
    this.#backoff = new Backoff(context.random);
  }

  /** Adds a member; `isLive` says that the client gets this channel already. */
  join(member: LocalSubscription<unknown>, isLive: boolean): void {
    const { recover } = member;
    const isFirst = this.members.size === 0;
    this.members.add(member);
    if (recover.type === "position" && !isLive) this.stream?.seed(recover.position);
    else if (recover.type !== "none" && isFirst && !isLive) this.#initial = recover;
    else if (recover.type !== "none") {
      member.prepareCatchUp(this.#context.access);
      this.#late.add(member);
    }
    const flags = this.#flags | member.flags;
    const hasMoreFlags = flags !== this.#flags;
    this.#flags = flags;
    if (isFirst) {
      if (this.#context.connector.reply !== null) this.up();
    } else if (hasMoreFlags && this.#state !== "idle") {
      // The broker has no command to change a subscription: end it and subscribe anew from the position.
      this.#context.access.commands.unsubscribe(this.name);
      this.#interrupt();
      this.up();
    } else if (this.#state === "subscribed") {
      // Later, so that the application can add its listeners first.
      queueMicrotask(() => this.#welcome(member));
    }
  }

  leave(member: LocalSubscription<unknown>): void {
    this.members.delete(member);
    this.#late.delete(member);
    if (this.members.size > 0) return;
    if (this.#state !== "idle") this.#context.access.commands.unsubscribe(this.name);
    this.down();
    this.#context.ended(this);
  }

  /** There is a connection: subscribes on it. */
  up(): void {
    const attempt = ++this.#attempt;
    this.#cancelRetry();
    this.#state = "sent";
    const asked = this.#recoverFrom();
    this.#context.access.commands.subscribe(
      { channel: this.name, recover: asked, flags: this.#flags },
      {
        onResult: (result) => {
          if (attempt === this.#attempt) this.#subscribed(result, asked);
        },
        onError: (error) => {
          if (attempt === this.#attempt) this.#failed(error);
        },
      },
    );
  }

  /** The connection is gone. */
  down(): void {
    this.#attempt++;
    this.#cancelRetry();
    this.#state = "idle";
  }

  /** The broker ended or refused it. Depending on the code it is made again, from its position. */
  refused(error: TickwireError): void {
    this.#attempt++;
    this.#interrupt();
    this.#retryOrFail(error);
  }

  /** The end, for everything local that shares it. */
  fail(error: TickwireError): void {
    this.down();
    this.#context.ended(this);
    for (const member of this.members) member.end(error);
    this.members.clear();
  }

  /** Its streams no longer come, except those that another subscription brings too. */
  #interrupt(): void {
    const streams = this.stream === null ? this.#context.streamsUnder(this.name) : [this.stream];
    for (const stream of streams) stream.interrupt();
  }

  #recoverFrom(): RecoverFrom {
    if (this.stream === null || this.stream.isFollowed) return { type: "none" };
    const { position } = this.stream;
    return position === null ? this.#initial : { type: "position", position };
  }

  /** The subscribe command got an error for an answer, or none. */
  #failed(error: TickwireError): void {
    if (error.code === "connection_lost" || error.code === "closed") return;
    if (error.code === "request_timeout" || error.code === "bad_frame") {
      return this.#context.connector.drop(error);
    }
    if (error.retry === "now" && this.stream !== null) {
      // Subscribe anew, that is, without the position that was asked for.
      this.stream.lose(error.code);
      this.#initial = { type: "none" };
      this.hasForgotten = true;
    }
    this.#retryOrFail(error);
  }

  #retryOrFail(error: TickwireError): void {
    if (error.retry === "never") return this.fail(error);
    // "At once" holds for the first time; a broker that goes on saying so is waited for.
    const isAtOnce = error.retry === "now" && this.#backoff.attempt === 0;
    const delayMs = this.#backoff.nextMs() + (error.retryAfterMs ?? 0);
    this.#state = "idle";
    this.#cancelRetry = this.#context.access.clock.after(isAtOnce ? 0 : delayMs, () => this.up());
  }

  #subscribed(result: SubscribedResult, asked: RecoverFrom): void {
    this.isResumed = this.#wasSubscribed;
    this.#wasSubscribed = true;
    const isAgain = this.isResumed;
    this.#state = "subscribed";
    this.#backoff.reset();
    const { stream } = this;
    if (stream === null) return this.#recoverStreams(isAgain);
    const { channelId, epoch, offset, count } = result;
    const wasFollowed = stream.isFollowed;
    if (!isAgain && asked.type !== "none") {
      for (const member of this.members) {
        if (member.recover.type === "none") member.startAfter({ epoch, offset });
      }
    }
    this.#context.bind(stream, channelId);
    stream.subscribed(result, asked);
    // Only for a position does the broker say whether something is missing.
    const isComplete = asked.type === "position" ? result.recovered : wasFollowed || !isAgain;
    const recovered = isComplete && !this.hasForgotten;
    this.hasForgotten = false;
    for (const member of Array.from(this.members)) {
      this.#welcome(member, { recovered, position: { epoch, offset }, count });
    }
  }

  #welcome(
    member: LocalSubscription<unknown>,
    event = { recovered: true, position: this.stream?.position ?? null, count: 0 },
  ): void {
    if (!this.members.has(member)) return;
    if (this.#late.delete(member)) member.startCatchUp();
    else member.subscribed(event);
  }

  /** After a reconnect: the channels known under this pattern are brought up to date one by one. */
  #recoverStreams(isAgain: boolean): void {
    const { access, streamsUnder } = this.#context;
    const attempt = this.#attempt;
    const streams = isAgain ? streamsUnder(this.name) : [];
    let recovered = !this.hasForgotten;
    let count = 0;
    let left = streams.length + 1;
    const finish = (): void => {
      if (--left > 0 || attempt !== this.#attempt) return;
      this.hasForgotten = false;
      for (const member of Array.from(this.members)) {
        this.#welcome(member, { recovered, position: null, count });
      }
    };
    for (const stream of streams) {
      stream.recover(access, (outcome) => {
        recovered &&= outcome.recovered;
        count += outcome.count;
        finish();
      });
    }
    finish();
  }
}
