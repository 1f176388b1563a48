import { isChannelName, isChannelPattern } from "../protocol/channel-name.ts";
import { Code } from "../protocol/codes.ts";
import type { HistoryResult } from "../protocol/messages/history.ts";
import { EMPTY_META } from "../protocol/messages/meta.ts";
import type { PublicationMeta } from "../protocol/messages/meta.ts";
import type { PresenceMember } from "../protocol/messages/presence.ts";
import type { PublishedResult } from "../protocol/messages/publish.ts";
import type { StreamPosition } from "../protocol/position.ts";
import { BrokerError } from "./api.ts";
import type { BrokerApi, ChannelSummary, ConnectionSummary, HealthReport } from "./api.ts";
import type { Channel } from "./channel.ts";
import type { BrokerContext } from "./context.ts";
import type { ChannelQuery, ConnectionQuery, DisconnectTarget, RevokeTarget } from "./directory.ts";
import { encodeMeta } from "./meta.ts";
import type { Stats } from "./stats.ts";

/** What a broker can be asked from outside its sockets. */
export class NodeApi implements BrokerApi {
  readonly #context: BrokerContext;
  readonly #health: () => HealthReport;

  constructor(context: BrokerContext, health: () => HealthReport) {
    this.#context = context;
    this.#health = health;
  }

  get stats(): Stats {
    return this.#context.stats;
  }

  publish(
    name: string,
    payload: Uint8Array,
    meta: Partial<PublicationMeta> | null = null,
  ): Promise<PublishedResult> {
    return new Promise((resolve, reject) => {
      const { engine, clock, stats } = this.#context;
      const channel = this.#open(name);
      const { maxPayloadBytes } = channel.stream.options;
      if (payload.length > maxPayloadBytes) {
        throw new BrokerError(Code.tooLarge, `a payload may have ${maxPayloadBytes} bytes`);
      }
      const full = meta === null ? null : { ...EMPTY_META, ...meta };
      const encoded = full === null ? null : encodeMeta(full, clock.wallMs(), full.user);
      stats.publications++;
      stats.publicationBytes += payload.length;
      const { stream } = channel;
      const ack = {
        published: (_id: number, offset: number, epoch: string): void => resolve({ offset, epoch }),
        publishFailed: (_id: number, error: BrokerError): void => reject(error),
      };
      const end = payload.length;
      const offset = engine.publish(stream, payload, 0, end, encoded, full?.id ?? null, ack, 1);
      if (offset > 0) resolve({ offset, epoch: stream.epoch });
    });
  }

  async history(
    name: string,
    query: { limit: number; since: StreamPosition | null },
  ): Promise<HistoryResult> {
    const { stream } = this.#open(name);
    if (stream.options.historySize === 0) {
      throw new BrokerError(Code.disabled, "history is off for this channel");
    }
    return this.#context.engine.history(stream, query);
  }

  async presence(name: string): Promise<readonly PresenceMember[]> {
    const { stream } = this.#open(name);
    if (!stream.options.presence) {
      throw new BrokerError(Code.disabled, "presence is off for this channel");
    }
    return this.#context.engine.presence(stream);
  }

  #open(name: string): Channel {
    if (!isChannelName(name)) throw new BrokerError(Code.badChannel, "not a valid channel name");
    return this.#context.hub.open(name);
  }

  async channels(query: ChannelQuery): Promise<readonly ChannelSummary[]> {
    if (!isChannelPattern(query.pattern)) {
      throw new BrokerError(Code.badChannel, "not a valid pattern");
    }
    return this.#context.directory.channels(query);
  }

  async connections(query: ConnectionQuery): Promise<readonly ConnectionSummary[]> {
    return this.#context.directory.connections(query);
  }

  async disconnect(target: DisconnectTarget): Promise<number> {
    return this.#context.directory.disconnect(target);
  }

  async revoke(target: RevokeTarget): Promise<number> {
    return this.#context.directory.revoke(target);
  }

  health(): HealthReport {
    return this.#health();
  }
}
