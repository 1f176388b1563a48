import { BrokerError } from "../../broker/api.ts";
import type { NamespaceOptions } from "../../broker/channels/namespace.ts";
import type { Engine, HistoryQuery, PublishAck } from "../../broker/engine/engine.ts";
import type { Stream } from "../../broker/engine/stream.ts";
import { Code } from "../../protocol/codes.ts";
import type { HistoryResult } from "../../protocol/messages/history.ts";
import type { PresenceMember } from "../../protocol/messages/presence.ts";

/**
 * An engine whose answers come later: everything asked of it is done by another engine, in order, when
 * `proceed` is called. Stands for an engine behind a network, whose delays a test decides.
 */
export class DeferredEngine implements Engine {
  readonly name = "deferred";
  readonly #inner: Engine;
  #waiting: (() => void)[] = [];
  /** Attaching fails from now on. */
  refusesAttach = false;
  attachCount = 0;
  detachCount = 0;

  constructor(inner: Engine) {
    this.#inner = inner;
  }

  /** What was asked and not yet done. */
  get waitingCount(): number {
    return this.#waiting.length;
  }

  /** Does everything that was asked so far. */
  proceed(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const work of waiting) work();
  }

  #later<Value>(work: () => Value): Promise<Value> {
    return new Promise((resolve, reject) => {
      this.#waiting.push(() => {
        try {
          resolve(work());
        } catch (error) {
          reject(error);
        }
      });
    });
  }

  start(): Promise<void> {
    return this.#inner.start();
  }

  stop(): Promise<void> {
    return this.#inner.stop();
  }

  isReady(): boolean {
    return this.#inner.isReady();
  }

  open(name: string, options: NamespaceOptions): Stream {
    return this.#inner.open(name, options);
  }

  close(stream: Stream): void {
    this.#inner.close(stream);
  }

  isIdle(stream: Stream, nowMs: number): boolean {
    return this.#inner.isIdle(stream, nowMs);
  }

  attach(stream: Stream): Promise<void> {
    return this.#later(() => {
      if (this.refusesAttach) throw new BrokerError(Code.unavailable);
      this.attachCount++;
      void this.#inner.attach(stream);
    });
  }

  detach(stream: Stream): void {
    this.detachCount++;
    this.#inner.detach(stream);
  }

  attachAll(): Promise<void> {
    return this.#later(() => {
      if (this.refusesAttach) throw new BrokerError(Code.unavailable);
      this.attachCount++;
      void this.#inner.attachAll();
    });
  }

  detachAll(): void {
    this.detachCount++;
    this.#inner.detachAll();
  }

  onUnknownChannel(open: (channel: string) => void): void {
    this.#inner.onUnknownChannel(open);
  }

  publish(
    stream: Stream,
    source: Uint8Array,
    start: number,
    end: number,
    meta: Uint8Array | null,
    publicationId: string | null,
    ack: PublishAck | null,
    requestId: number,
  ): number {
    const payload = new Uint8Array(source.subarray(start, end));
    this.#waiting.push(() => {
      const size = payload.length;
      const inner = this.#inner;
      const offset = inner.publish(stream, payload, 0, size, meta, publicationId, null, requestId);
      ack?.published(requestId, offset, stream.epoch);
    });
    return 0;
  }

  history(stream: Stream, query: HistoryQuery): Promise<HistoryResult> {
    return this.#later(() => this.#inner.history(stream, query)).then((result) => result);
  }

  enterPresence(stream: Stream, member: PresenceMember): void {
    this.#waiting.push(() => this.#inner.enterPresence(stream, member));
  }

  leavePresence(stream: Stream, member: PresenceMember): void {
    this.#waiting.push(() => this.#inner.leavePresence(stream, member));
  }

  presence(stream: Stream): Promise<readonly PresenceMember[]> {
    return this.#later(() => this.#inner.presence(stream)).then((members) => members);
  }

  sweep(nowMs: number): void {
    this.#inner.sweep(nowMs);
  }
}
