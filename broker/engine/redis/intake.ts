import { Code } from "../../../protocol/codes.ts";
import { BrokerError } from "../../api.ts";
import type { Clock } from "../../ports.ts";
import type { PublishTrace } from "../../tracing/publish-trace.ts";
import type { PublishAck } from "../engine.ts";
import type { EngineTracing } from "./engine-tracing.ts";
import type { Inbox } from "./inbox.ts";
import type { Partitions } from "./partitions.ts";
import type { RedisStream } from "./redis-stream.ts";

export interface IntakeOptions {
  readonly partitions: Partitions;
  readonly inbox: Inbox;
  readonly tracing: EngineTracing;
  readonly clock: Clock;
}

/** Takes publications in: hands each to the outbox of its partition, or tells its publisher why not. */
export class Intake {
  readonly #options: IntakeOptions;

  constructor(options: IntakeOptions) {
    this.#options = options;
  }

  publish(
    stream: RedisStream,
    source: Uint8Array,
    start: number,
    end: number,
    meta: Uint8Array | null,
    publicationId: string | null,
    ack: PublishAck | null,
    requestId: number,
    trace: PublishTrace | null,
  ): void {
    const { partitions, inbox, tracing, clock } = this.#options;
    const { mismatch } = partitions;
    if (mismatch !== null) {
      ack?.publishFailed(requestId, new BrokerError(Code.unavailable, mismatch));
      return;
    }
    stream.lastUsedMs = clock.nowMs();
    const { ordered, plain } = partitions.at(stream.partition);
    const outbox = stream.isRecoverable ? ordered : plain;
    // Without an acknowledgement to wait for, being taken in is all that is told.
    const isAwaited = stream.options.ack !== "none";
    const waiting = isAwaited ? ack : null;
    const refusal = outbox.add(
      stream,
      source,
      start,
      end,
      meta,
      publicationId,
      waiting,
      requestId,
      trace,
    );
    if (refusal !== null) {
      tracing.refused(stream, end - start, refusal.info.name, trace);
      ack?.publishFailed(requestId, refusal);
      return;
    }
    if (stream.isLocalFirst) inbox.publishedHere(stream, source, start, end, meta, trace);
    if (!isAwaited) ack?.published(requestId, 0, "");
  }
}
