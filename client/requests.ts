import { MAX_REQUEST_ID } from "../protocol/limits.ts";
import type { ClientClock } from "./clock.ts";
import { TickwireError } from "./errors.ts";

/** What becomes of a request. Called once, in the order the answers arrived, within their message. */
export interface RequestHandler {
  /** The reply frame (`connected`, `pong`) or the result of an `ok`, not yet checked. */
  onReply(reply: unknown): void;
  onError(error: TickwireError): void;
  /** Whether the request goes out on the next connection and so must not fail with this one. */
  survives?(): boolean;
}

interface Pending {
  readonly handler: RequestHandler;
  readonly deadlineMs: number;
}

/**
 * Commands that wait for their answers, by request id. All have the same time, so the map's order is the
 * order of the deadlines and one timer does for all of them.
 */
export class Requests {
  readonly #clock: ClientClock;
  readonly #timeoutMs: number;
  readonly #pending = new Map<number, Pending>();
  #lastId = 0;
  #cancelTimer: (() => void) | null = null;
  #onIdle: (() => void)[] = [];

  constructor(clock: ClientClock, timeoutMs: number) {
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
  }

  /** Requests that wait for an answer. */
  get size(): number {
    return this.#pending.size;
  }

  /** Registers a request and returns its id, 1 to 2^32-1. */
  open(handler: RequestHandler): number {
    do {
      this.#lastId = this.#lastId >= MAX_REQUEST_ID ? 1 : this.#lastId + 1;
    } while (this.#pending.has(this.#lastId));
    const deadlineMs = this.#clock.nowMs() + this.#timeoutMs;
    this.#pending.set(this.#lastId, { handler, deadlineMs });
    this.#setTimer(this.#timeoutMs);
    return this.#lastId;
  }

  /** An answer came. Ids nobody waits for any more are ignored. */
  reply(id: number, reply: unknown): void {
    this.#take(id)?.onReply(reply);
  }

  fail(id: number, error: TickwireError): void {
    this.#take(id)?.onError(error);
  }

  /** The connection ended: fails all but the requests that are repeated on the next one. */
  failConnection(error: TickwireError): void {
    for (const [id, { handler }] of Array.from(this.#pending)) {
      if (handler.survives?.() !== true) this.fail(id, error);
    }
  }

  /** The client ends: fails everything. */
  failAll(error: TickwireError): void {
    this.#cancelTimer?.();
    this.#cancelTimer = null;
    for (const id of Array.from(this.#pending.keys())) this.fail(id, error);
  }

  /** Calls back once nothing is pending; at once when that is so. */
  whenIdle(callback: () => void): void {
    if (this.#pending.size === 0) callback();
    else this.#onIdle.push(callback);
  }

  #take(id: number): RequestHandler | undefined {
    const pending = this.#pending.get(id);
    if (pending === undefined) return undefined;
    this.#pending.delete(id);
    if (this.#pending.size === 0) for (const callback of this.#onIdle.splice(0)) callback();
    return pending.handler;
  }

  #setTimer(delayMs: number): void {
    this.#cancelTimer ??= this.#clock.after(delayMs, () => this.#expire());
  }

  #expire(): void {
    this.#cancelTimer = null;
    const nowMs = this.#clock.nowMs();
    for (const [id, { deadlineMs }] of Array.from(this.#pending)) {
      if (deadlineMs > nowMs) return this.#setTimer(deadlineMs - nowMs);
      const message = `no answer within ${this.#timeoutMs} ms`;
      const details = { retry: "backoff", mayHaveHappened: true } as const;
      this.fail(id, new TickwireError("request_timeout", message, details));
    }
  }
}
