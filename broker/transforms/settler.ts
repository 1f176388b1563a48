import { isChannelName } from "../../protocol/channel-name.ts";
import { Code } from "../../protocol/codes.ts";
import { MAX_META_BYTES, MAX_META_STRING_BYTES } from "../../protocol/limits.ts";
import { BrokerError } from "../api.ts";
import type { Channel } from "../channels/channel.ts";
import type { Hub } from "../channels/hub.ts";
import type { Engine } from "../engine/engine.ts";
import type { Clock, TransformEmission, TransformOutcome } from "../ports.ts";
import type { Stats } from "../stats.ts";
import { deadLetterMeta, derivedId, emissionMeta } from "./derived-meta.ts";
import type { EmitRule } from "./emit-rule.ts";
import { MAIN_PLACE } from "./ticket.ts";
import type { Ticket } from "./ticket.ts";

export interface SettlerOptions {
  readonly engine: Engine;
  readonly hub: Hub;
  readonly stats: Stats;
  readonly clock: Clock;
  readonly mayEmit: EmitRule;
}

type Taken = Exclude<TransformOutcome, { readonly type: "reject" }>;

/** An emission that was found to be good. */
interface Prepared {
  readonly channel: Channel;
  readonly emission: TransformEmission;
}

/** Publishes what came out of transforms. */
export class Settler {
  readonly #options: SettlerOptions;

  constructor(options: SettlerOptions) {
    this.#options = options;
  }

  /**
   * Publishes what an outcome says. The ticket tells the publisher once all of it has its place.
   * @throws BrokerError when it cannot be published; then nothing of it is
   */
  settle(ticket: Ticket, channel: Channel, outcome: Taken): void {
    switch (outcome.type) {
      case "publish":
        this.#publish(ticket, channel, outcome);
        break;
      case "drop":
        this.#emit(ticket, this.#prepare(channel, outcome.emissions));
        break;
      case "dead-letter":
        this.#deadLetter(ticket, outcome);
        break;
    }
    ticket.seal();
  }

  #publish(
    ticket: Ticket,
    channel: Channel,
    { bytes, start, end, meta, emissions }: Extract<Taken, { readonly type: "publish" }>,
  ): void {
    const { maxPayloadBytes } = channel.stream.options;
    if (end - start > maxPayloadBytes) {
      throw failed(
        `a transform made a payload of ${end - start} bytes; ${maxPayloadBytes} at most`,
      );
    }
    if (meta !== null && meta.length > MAX_META_BYTES) {
      throw failed(`a transform made meta of ${meta.length} bytes; ${MAX_META_BYTES} at most`);
    }
    if (emissions.length === 0) {
      this.#store(ticket, MAIN_PLACE, channel, bytes, start, end, meta, ticket.publicationId);
      return;
    }
    const prepared = this.#prepare(channel, emissions);
    this.#store(ticket, MAIN_PLACE, channel, bytes, start, end, meta, ticket.publicationId);
    // The publisher is told to try again, and without a publication id emissions would be made twice.
    if (!ticket.hasFailed) this.#emit(ticket, prepared);
  }

  /** @throws BrokerError for one that could never be published: then none is */
  #prepare(from: Channel, emissions: readonly TransformEmission[]): readonly Prepared[] {
    const { hub, mayEmit } = this.#options;
    return emissions.map((emission) => {
      const { channel: name, bytes, key } = emission;
      if (!isChannelName(name)) throw failed("a transform emitted to an invalid channel name");
      if (!mayEmit(from.name, name)) {
        throw failed(`a transform emitted to ${name}, which its binding does not allow`);
      }
      const channel = hub.open(name);
      const { maxPayloadBytes } = channel.stream.options;
      if (bytes.length > maxPayloadBytes) {
        throw failed(
          `a transform emitted a payload of ${bytes.length} bytes to ${name}; ${maxPayloadBytes} at most`,
        );
      }
      if (key !== null && Buffer.byteLength(key) > MAX_META_STRING_BYTES) {
        throw failed(`a transform emitted a key of more than ${MAX_META_STRING_BYTES} bytes`);
      }
      return { channel, emission };
    });
  }

  #emit(ticket: Ticket, prepared: readonly Prepared[]): void {
    const { clock } = this.#options;
    for (const [index, { channel, emission }] of prepared.entries()) {
      const { bytes, key } = emission;
      const id = idOf(ticket, String(index));
      const meta = emissionMeta(ticket.meta, id, key, clock.wallMs());
      this.#store(ticket, MAIN_PLACE + 1 + index, channel, bytes, 0, bytes.length, meta, id);
    }
  }

  /** The channel's own bounds are not looked at: what failed must not get lost. */
  #deadLetter(
    ticket: Ticket,
    { channel: name, bytes, headers }: Extract<Taken, { readonly type: "dead-letter" }>,
  ): void {
    if (!isChannelName(name)) throw failed("the dead-letter channel's name is not valid");
    const channel = this.#options.hub.open(name);
    const id = idOf(ticket, "dead-letter");
    const meta = deadLetterMeta(ticket.meta, id, headers, this.#options.clock.wallMs());
    this.#store(ticket, MAIN_PLACE + 1, channel, bytes, 0, bytes.length, meta, id);
  }

  #store(
    ticket: Ticket,
    place: number,
    channel: Channel,
    bytes: Uint8Array,
    start: number,
    end: number,
    meta: Uint8Array | null,
    id: string | null,
  ): void {
    const { engine, stats } = this.#options;
    const { stream } = channel;
    stats.publications++;
    stats.publicationBytes += end - start;
    ticket.expect();
    const trace = place === MAIN_PLACE ? ticket.trace : null;
    // A trace's meta has what the transforms made of it.
    const carried = trace?.meta ?? meta;
    const offset = engine.publish(stream, bytes, start, end, carried, id, ticket, place, trace);
    if (offset > 0) ticket.published(place, offset, stream.epoch);
  }
}

function idOf({ channel, publicationId }: Ticket, what: string): string | null {
  return publicationId === null ? null : derivedId(channel.name, publicationId, what);
}

function failed(message: string): BrokerError {
  return new BrokerError(Code.transformRejected, message);
}
