import { Code } from "../../protocol/codes.ts";
import { decodePublishedResult } from "../../protocol/messages/publish.ts";
import type { ServerFrame } from "../../protocol/push.ts";
import { publishFrame } from "../support/protocol-client.ts";
import { ChaosClient } from "./chaos-client.ts";
import type { DeliveryChecker } from "./delivery-checker.ts";

/** Every so often, some publications leave, unless too many are unanswered. */
const TICK_MS = 5;
const MAX_UNANSWERED = 500;

/** Whatever is waited for has come after this, or never will. */
const PROGRESS_LIMIT_MS = 60_000;

interface Pending {
  readonly channel: string;
  readonly text: string;
}

/** Publishes without end, each text once, and tells the checker what it was answered. */
export class ChaosPublisher implements Disposable {
  readonly #name: string;
  readonly #channels: readonly string[];
  readonly #checker: DeliveryChecker;
  readonly #perTick: number;
  readonly #client: ChaosClient;
  readonly #pending = new Map<number, Pending>();
  readonly #timer: ReturnType<typeof setInterval>;
  #sentCount = 0;
  #isPaused = false;
  #waiters: { readonly isDone: () => boolean; readonly resolve: () => void }[] = [];
  ackedCount = 0;
  /** Longest time between two acknowledgements, ms. */
  longestSilenceMs = 0;
  #lastAckMs = performance.now();
  readonly failures = new Map<string, number>();

  constructor(
    name: string,
    url: () => string,
    channels: readonly string[],
    checker: DeliveryChecker,
    perTick = 3,
  ) {
    this.#name = name;
    this.#channels = channels;
    this.#checker = checker;
    this.#perTick = perTick;
    this.#client = new ChaosClient({
      url,
      connected: () => this.#wake(),
      received: (frame) => this.#received(frame),
      disconnected: () => this.#disconnected(),
    });
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
  }

  #tick(): void {
    if (this.#isPaused || !this.#client.isReady) return;
    for (let i = 0; i < this.#perTick && this.#pending.size < MAX_UNANSWERED; i++) this.#publish();
  }

  #publish(): void {
    const channel = this.#channels[this.#sentCount % this.#channels.length] as string;
    this.#publishTo(channel);
  }

  #publishTo(channel: string): void {
    const id = this.#client.nextId();
    const text = `${this.#name}:${this.#sentCount++}`;
    this.#pending.set(id, { channel, text });
    this.#client.send(publishFrame(id, channel, text));
    this.#wake();
  }

  #received(frame: ServerFrame): void {
    if (frame.type !== "ok" && frame.type !== "error") return;
    const pending = this.#pending.get(frame.id);
    if (pending === undefined) return;
    this.#pending.delete(frame.id);
    const { channel, text } = pending;
    if (frame.type === "ok") {
      const { offset, epoch } = decodePublishedResult(frame.result);
      this.#checker.acknowledged(channel, { epoch, offset }, text);
      this.#acked();
    } else {
      this.failures.set(frame.name, (this.failures.get(frame.name) ?? 0) + 1);
      if (frame.code === Code.publishUnknown.code) this.#checker.unknown();
      else this.#checker.refused(channel, text);
    }
    this.#wake();
  }

  #acked(): void {
    const nowMs = performance.now();
    this.longestSilenceMs = Math.max(this.longestSilenceMs, nowMs - this.#lastAckMs);
    this.#lastAckMs = nowMs;
    this.ackedCount++;
  }

  #disconnected(): void {
    for (const _ of this.#pending) this.#checker.unknown();
    this.#pending.clear();
    this.#wake();
  }

  #wake(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiters) {
      if (waiter.isDone()) waiter.resolve();
      else this.#waiters.push(waiter);
    }
  }

  #until(what: string, isDone: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`${this.#name} waited in vain until ${what}`)),
        PROGRESS_LIMIT_MS,
      );
      const done = (): void => {
        clearTimeout(timer);
        resolve();
      };
      this.#waiters.push({ isDone, resolve: done });
      this.#wake();
    });
  }

  /** Resolves when so many more have been acknowledged. */
  acked(count: number): Promise<void> {
    const wanted = this.ackedCount + count;
    return this.#until(`${count} are acknowledged`, () => this.ackedCount >= wanted);
  }

  /** Resolves when so many more have been sent, whatever becomes of them. */
  sent(count: number): Promise<void> {
    const wanted = this.#sentCount + count;
    return this.#until(`${count} are sent`, () => this.#sentCount >= wanted);
  }

  /** Stops publishing, and resolves when every publication has its answer. */
  async quiesce(): Promise<void> {
    this.#isPaused = true;
    await this.#until("all is answered", () => this.#pending.size === 0);
  }

  /** Publishes once on each channel, and resolves when all are answered. */
  async publishOnAll(): Promise<void> {
    await this.#until("it is connected", () => this.#client.isReady);
    for (const channel of this.#channels) this.#publishTo(channel);
    await this.#until("all is answered", () => this.#pending.size === 0);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#client[Symbol.dispose]();
  }
}
