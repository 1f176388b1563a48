import { Code } from "../../../protocol/codes.ts";
import { BrokerError } from "../../api.ts";
import type { Clock } from "../../ports.ts";
import type { Inbox } from "./inbox.ts";
import { asBrokerError } from "./lease-home.ts";
import type { Partitions } from "./partitions.ts";
import type { RedisStream } from "./redis-stream.ts";
import type { StreamReader } from "./stream-reader.ts";

export interface AttachmentsOptions {
  readonly partitions: Partitions;
  readonly reader: StreamReader;
  readonly inbox: Inbox;
  readonly clock: Clock;
  /** How long an attachment waits for Redis, ms. */
  readonly giveUpMs: number;
}

/** Streams this node follows: one by one for subscribers of a channel, all of them for those of patterns. */
export class Attachments {
  readonly #options: AttachmentsOptions;

  constructor(options: AttachmentsOptions) {
    this.#options = options;
  }

  /** Resolves when the stream is live. @throws BrokerError */
  async attach(stream: RedisStream): Promise<void> {
    stream.phase = "reading";
    stream.interest++;
    try {
      const partition = this.#options.partitions.at(stream.partition);
      await this.#inTime(partition.addInterestIn(stream));
      await this.#options.reader.begin(stream);
    } catch (error) {
      this.detach(stream);
      throw asBrokerError(error);
    }
  }

  detach(stream: RedisStream): void {
    if (stream.phase === "detached") return;
    stream.phase = "detached";
    stream.lastUsedMs = this.#options.clock.nowMs();
    stream.release();
    stream.log = stream.logFrom(stream.isRecoverable ? 0 : stream.log.offset);
    this.#options.partitions.at(stream.partition).removeInterestIn(stream);
  }

  /** Undefined when that was the case already. @throws BrokerError */
  attachAll(): Promise<void> | undefined {
    const { inbox, partitions } = this.#options;
    inbox.addPatternInterest();
    const pending: Promise<void>[] = [];
    for (const partition of partitions.all()) {
      const waiting = partition.addInterest();
      if (waiting !== undefined) pending.push(waiting);
    }
    return pending.length === 0 ? undefined : this.#inTime(Promise.all(pending));
  }

  detachAll(): void {
    const { inbox, partitions } = this.#options;
    inbox.removePatternInterest();
    for (const partition of partitions.all()) partition.removeInterest();
  }

  /** Rejects when Redis cannot be had for longer than a publisher would wait. */
  async #inTime(pending: Promise<unknown> | undefined): Promise<void> {
    if (pending === undefined) return;
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(
      () => late.reject(new BrokerError(Code.unavailable)),
      this.#options.giveUpMs,
    );
    try {
      await Promise.race([pending, late.promise]);
    } finally {
      clearTimeout(timer);
    }
  }
}
