import { Code } from "../../protocol/codes.ts";
import { BrokerError } from "../api.ts";
import type { Channel } from "../channels/channel.ts";
import type { Hub } from "../channels/hub.ts";
import type {
  Logger,
  TransformOutcome,
  TransformRefusal,
  TransformRoute,
  TransformRunner,
  TransformSink,
} from "../ports.ts";
import type { IngestTracer, TraceOrigin } from "../tracing/ingest-tracer.ts";
import type { PublishTrace } from "../tracing/publish-trace.ts";
import type { Settler } from "./settler.ts";
import { Ticket } from "./ticket.ts";
import type { Publisher, TicketHost } from "./ticket.ts";

/** What may be in transforms at once. */
export interface TransformLimits {
  /** Publications of one connection. */
  readonly transformPendingPerConnection: number;
  /** Publications, and their bytes, of the whole node. */
  readonly transformPending: number;
  readonly transformPendingBytes: number;
}

export interface TransformGateOptions {
  readonly runner: TransformRunner;
  readonly settler: Settler;
  readonly hub: Hub;
  readonly logger: Logger;
  readonly limits: TransformLimits;
  readonly tracer?: IngestTracer | null;
}

/** Pause asked of a publisher who has too much in transforms, ms. */
const RETRY_AFTER_MS = 100;

/** What one publication in transforms costs beside its bytes, about. */
const TICKET_BYTES = 200;

/**
 * Between ingest and the runner of transforms: knows which channels have some, bounds what is under way, and hands
 * on what comes out.
 */
export class TransformGate implements TransformSink<unknown>, TicketHost {
  readonly #options: TransformGateOptions;
  #pending = 0;
  #pendingBytes = 0;
  #onEmpty: (() => void) | null = null;

  constructor(options: TransformGateOptions) {
    this.#options = options;
  }

  /** Changes when a channel's route must be asked for again. */
  get generation(): number {
    return this.#options.runner.generation;
  }

  /** Publications whose publishers have not been told yet. */
  get pending(): number {
    return this.#pending;
  }

  /** Asks for a channel's route and keeps it on the channel. */
  resolve(channel: Channel): void {
    const { runner } = this.#options;
    channel.routeGeneration = runner.generation;
    channel.route = runner.route(channel.name);
  }

  /** Hands a publication to the channel's transforms. `publisher` hears the outcome, or the refusal. */
  submit(
    channel: Channel,
    source: Uint8Array,
    start: number,
    end: number,
    meta: Uint8Array | null,
    publicationId: string | null,
    key: string | null,
    publisher: Publisher,
    requestId: number,
    trace: PublishTrace | null = null,
  ): void {
    const bytes = end - start + (meta?.length ?? 0) + TICKET_BYTES;
    const refusal = this.#refusal(publisher, bytes);
    if (refusal !== null) {
      publisher.publishFailed(requestId, refusal);
      return;
    }
    const payloadBytes = end - start;
    const ticket = new Ticket({
      host: this,
      channel,
      publisher,
      requestId,
      publicationId,
      meta,
      bytes,
      payloadBytes,
      trace,
    });
    // Before the runner has it, who may settle it at once.
    this.#pending++;
    this.#pendingBytes += bytes;
    publisher.transformPending++;
    const refused = (channel.route as TransformRoute).submit(source, start, end, meta, key, ticket);
    if (refused !== null) ticket.fail(asError(refused));
  }

  #refusal(publisher: Publisher, bytes: number): BrokerError | null {
    const { transformPendingPerConnection, transformPending, transformPendingBytes } =
      this.#options.limits;
    if (publisher.transformPending >= transformPendingPerConnection) {
      return new BrokerError(
        Code.tooManyRequests,
        `${transformPendingPerConnection} publications of this connection are in transforms`,
        { retryAfterMs: RETRY_AFTER_MS },
      );
    }
    // One always fits, however large.
    const isFull =
      this.#pending >= transformPending ||
      (this.#pending > 0 && this.#pendingBytes + bytes > transformPendingBytes);
    if (!isFull) return null;
    return new BrokerError(Code.overloaded, "too many publications are in transforms", {
      retryAfterMs: RETRY_AFTER_MS,
    });
  }

  /** Never throws: what happens to one publication is for its publisher to hear, and not its lane's end. */
  settled(ticket: unknown, outcome: TransformOutcome): void {
    const own = ticket as Ticket;
    const { settler, hub, logger } = this.#options;
    try {
      own.trace = this.#traced(own, outcome);
      if (outcome.type === "reject") {
        own.fail(asError(outcome.error));
        return;
      }
      // It may have been forgotten meanwhile: nobody was subscribed.
      const channel = own.channel.isClosed ? hub.open(own.channel.name) : own.channel;
      settler.settle(own, channel, outcome);
    } catch (error) {
      const isExpected = error instanceof BrokerError;
      if (!isExpected) logger.log("error", "transform_settle_failed", { error });
      own.fail(isExpected ? error : new BrokerError(Code.internal));
    }
  }

  /** The trace that a publication goes on with. */
  #traced(ticket: Ticket, outcome: TransformOutcome): PublishTrace | null {
    const { channel, meta, publicationId, payloadBytes, trace } = ticket;
    const { tracer = null } = this.#options;
    if (tracer === null) return null;
    const origin = ticket.publisher as TraceOrigin;
    return tracer.transformed(
      {
        channel,
        meta: outcome.type === "publish" ? outcome.meta : meta,
        publicationId,
        payloadBytes,
        origin,
        context: null,
        toldSentMs: null,
        isHead: false,
      },
      trace,
      outcome,
    );
  }

  ended({ publisher, bytes }: Ticket): void {
    this.#pending--;
    this.#pendingBytes -= bytes;
    publisher.transformPending--;
    if (this.#pending === 0) this.#onEmpty?.();
  }

  /**
   * Ends the transforms: resolves once everything taken in has its place and its publisher was told, or `withinMs`
   * is over. What is still in transforms then is rejected.
   */
  async stop(withinMs: number): Promise<void> {
    const startMs = performance.now();
    await this.#options.runner.stop(withinMs);
    const leftMs = withinMs - (performance.now() - startMs);
    if (this.#pending === 0 || leftMs <= 0) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, leftMs);
      this.#onEmpty = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

function asError({ code, message, retryAfterMs }: TransformRefusal): BrokerError {
  return new BrokerError(Code[code], message, retryAfterMs === null ? {} : { retryAfterMs });
}
