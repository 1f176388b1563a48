import { isChannelName, isChannelPattern, patternMatches } from "../protocol/channel-name.ts";
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
import { encodeMeta } from "./meta.ts";
import type { Session } from "./session.ts";
import type { Stats } from "./stats.ts";

/** What this node can be asked from outside its sockets. */
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

  async channels(query: {
    pattern: string;
    limit: number;
    after: string | null;
  }): Promise<readonly ChannelSummary[]> {
    const { hub } = this.#context;
    const { pattern, limit, after } = query;
    if (!isChannelPattern(pattern)) throw new BrokerError(Code.badChannel, "not a valid pattern");
    const matching: Channel[] = [];
    for (const channel of hub.channels()) {
      if ((after === null || channel.name > after) && patternMatches(pattern, channel.name)) {
        matching.push(channel);
      }
    }
    matching.sort((a, b) => (a.name < b.name ? -1 : 1));
    return matching.slice(0, limit).map((channel) => ({
      name: channel.name,
      subscribers: hub.subscriberCount(channel),
      epoch: channel.stream.epoch,
      offset: channel.stream.log.offset,
    }));
  }

  async connections(query: {
    user: string | null;
    limit: number;
    after: string | null;
  }): Promise<readonly ConnectionSummary[]> {
    const { registry } = this.#context;
    const { user, limit, after } = query;
    const sessions = user === null ? registry.all() : registry.ofUser(user);
    return [...sessions]
      .filter((session) => session.state === "connected" && (after === null || session.id > after))
      .toSorted((a, b) => (a.id < b.id ? -1 : 1))
      .slice(0, limit)
      .map((session) => this.#summary(session));
  }

  #summary(session: Session): ConnectionSummary {
    return {
      connection: session.id,
      user: session.identity?.user ?? null,
      node: this.#context.node,
      sinceMs: session.sinceMs,
      address: session.address,
      client: session.client,
      format: session.format,
      subscriptions: session.subscriptions.size,
      queuedBytes: session.outbound.queuedBytes,
    };
  }

  async disconnect(target: { user?: string; connection?: string }): Promise<number> {
    const { registry } = this.#context;
    const sessions = new Set<Session>();
    if (target.connection !== undefined) {
      const session = registry.find(target.connection);
      if (session !== undefined) sessions.add(session);
    }
    if (target.user !== undefined) {
      for (const session of registry.ofUser(target.user)) sessions.add(session);
    }
    for (const session of sessions) session.close(Code.disconnected);
    return sessions.size;
  }

  async revoke(target: { user?: string; tokenId?: string }): Promise<number> {
    const { registry, authenticator } = this.#context;
    authenticator.revoke(target);
    let count = 0;
    for (const session of registry.all()) {
      if (session.identity === null || !authenticator.isRevoked(session.identity)) continue;
      session.close(Code.revoked);
      count++;
    }
    return count;
  }

  health(): HealthReport {
    return this.#health();
  }
}
