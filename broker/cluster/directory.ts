import { patternMatches } from "../../protocol/channel-name.ts";
import { Code } from "../../protocol/codes.ts";
import type { ChannelSummary, ConnectionSummary } from "../api.ts";
import type { Channel } from "../channels/channel.ts";
import type { Hub } from "../channels/hub.ts";
import type { Authenticator } from "../ports.ts";
import type { Registry } from "../sessions/registry.ts";
import type { Session } from "../sessions/session.ts";
import { Answerer, isForNode } from "./questions.ts";
import type { NodeAnswers, Question } from "./questions.ts";

export interface ChannelQuery {
  readonly pattern: string;
  readonly limit: number;
  /** Names after this one. */
  readonly after: string | null;
}

export interface ConnectionQuery {
  /** Only this user's; null for all. */
  readonly user: string | null;
  readonly limit: number;
  /** Ids after this one. */
  readonly after: string | null;
}

/** Whose connections to close: one's, or all of a user. */
export interface DisconnectTarget {
  readonly user?: string;
  readonly connection?: string;
}

/** What to refuse from now on: all of a user's tokens issued before, or one token. */
export interface RevokeTarget {
  readonly user?: string;
  readonly tokenId?: string;
}

/**
 * What all nodes together know of connections and channels, and what is done to connections wherever they
 * are. With an engine of one process that is this node; nodes that share an engine share one directory.
 */
export interface Directory {
  /** Whether there can be other nodes. */
  readonly isShared: boolean;

  /**
   * Takes a place for one more connection of a user and lists it, until `left`. Counted over all nodes, also
   * when several ask at the same time; where they cannot be asked, this node's own count decides.
   * @param user null for an anonymous client, of whom there may be any number
   * @param limit connections a user may have; 0 for any number
   */
  admit(session: Session, user: string | null, limit: number): boolean | Promise<boolean>;

  /** The connection is over, or did not come about. May be called for one that was not admitted, and twice. */
  left(session: Session): void;

  /** Channels that some node holds, by name. Of other nodes, subscribers are counted a second or two late. */
  channels(query: ChannelQuery): readonly ChannelSummary[] | Promise<readonly ChannelSummary[]>;

  /** Open connections of all nodes, by id. */
  connections(
    query: ConnectionQuery,
  ): readonly ConnectionSummary[] | Promise<readonly ConnectionSummary[]>;

  /**
   * Closes connections; answers how many.
   * @throws BrokerError unavailable when only this node's could be, and the others hear of it later
   */
  disconnect(target: DisconnectTarget): number | Promise<number>;

  /**
   * Refuses access from now on, and closes what is open with it; answers how many that were.
   * @throws BrokerError unavailable when only this node does so, and the others hear of it later
   * @throws AccessError overloaded when too many revocations are in force; then nothing was done
   */
  revoke(target: RevokeTarget): number | Promise<number>;

  /**
   * Asks nodes something. What a node refuses, and that one is silent, are answers: it never takes longer than
   * the question's time, and never fails because of another node or the way there.
   * @throws BrokerError too_large or overloaded when others cannot be asked this, or now; then nobody was
   */
  ask(question: Question): Promise<NodeAnswers>;

  /**
   * Does work while no other node does work of this name; also where nothing can be heard of others.
   * @throws BrokerError overloaded while another does
   */
  inTurn<Result>(name: string, work: () => Promise<Result>): Promise<Result>;
}

export interface LocalDirectoryOptions {
  readonly node: string;
  readonly registry: Registry;
  readonly hub: Hub;
  readonly authenticator: Authenticator;
  /** What this node answers to questions; default: nothing. */
  readonly answerer?: Answerer;
}

/** What this node has. All there is in one process; what a directory of several nodes is made of. */
export class LocalDirectory implements Directory {
  readonly isShared = false;
  readonly answerer: Answerer;
  readonly #options: LocalDirectoryOptions;

  constructor(options: LocalDirectoryOptions) {
    this.#options = options;
    this.answerer = options.answerer ?? new Answerer();
  }

  admit(_session: Session, user: string | null, limit: number): boolean {
    if (user === null || limit === 0) return true;
    return this.#options.registry.ofUser(user).size < limit;
  }

  left(): void {
    // The registry knows by itself.
  }

  channels({ pattern, limit, after }: ChannelQuery): ChannelSummary[] {
    const matching: Channel[] = [];
    for (const channel of this.#options.hub.channels()) {
      if ((after === null || channel.name > after) && patternMatches(pattern, channel.name)) {
        matching.push(channel);
      }
    }
    matching.sort((a, b) => (a.name < b.name ? -1 : 1));
    return matching.slice(0, limit).map((channel) => this.#channelSummary(channel));
  }

  #channelSummary({ name, stream }: Channel): ChannelSummary {
    const { epoch, log } = stream;
    return { name, subscribers: this.subscriberCount(name) ?? 0, epoch, offset: log.offset };
  }

  /** Names of all channels. */
  *channelNames(): IterableIterator<string> {
    for (const { name } of this.#options.hub.channels()) yield name;
  }

  hasChannel(name: string): boolean {
    return this.#options.hub.find(name) !== undefined;
  }

  /** Null for a channel this node does not hold. */
  subscriberCount(name: string): number | null {
    const { hub } = this.#options;
    const channel = hub.find(name);
    return channel === undefined ? null : hub.subscriberCount(channel);
  }

  connections({ user, limit, after }: ConnectionQuery): ConnectionSummary[] {
    const { registry } = this.#options;
    const sessions = user === null ? registry.all() : registry.ofUser(user);
    return [...sessions]
      .filter((session) => session.state === "connected" && (after === null || session.id > after))
      .toSorted((a, b) => (a.id < b.id ? -1 : 1))
      .slice(0, limit)
      .map((session) => this.summary(session, session.identity?.user ?? null));
  }

  summary(session: Session, user: string | null): ConnectionSummary {
    return {
      connection: session.id,
      user,
      node: this.#options.node,
      sinceMs: session.sinceMs,
      address: session.address,
      client: session.client,
      format: session.format,
      subscriptions: session.subscriptions.size,
      queuedBytes: session.outbound.queuedBytes,
    };
  }

  /** @param untilMs wall clock ms; spares what connected later */
  disconnect(target: DisconnectTarget, untilMs = Infinity): number {
    const { registry } = this.#options;
    const sessions = new Set<Session>();
    if (target.connection !== undefined) {
      const session = registry.find(target.connection);
      if (session !== undefined) sessions.add(session);
    }
    if (target.user !== undefined) {
      for (const session of registry.ofUser(target.user)) sessions.add(session);
    }
    let count = 0;
    for (const session of sessions) {
      if (session.state === "closed" || session.sinceMs > untilMs) continue;
      session.close(Code.disconnected);
      count++;
    }
    return count;
  }

  /** @param atMs wall clock ms of the revocation, when it was made elsewhere */
  revoke(target: RevokeTarget, atMs?: number): number {
    this.#options.authenticator.revoke(target, atMs);
    return this.closeRevoked();
  }

  /**
   * Takes over revocations made elsewhere, all before one look at what is open.
   * @throws AccessError overloaded when some could not be taken over; the others were
   */
  revokeAll(revocations: Iterable<{ readonly target: RevokeTarget; readonly atMs: number }>): void {
    let failure: unknown = null;
    for (const { target, atMs } of revocations) {
      try {
        this.#options.authenticator.revoke(target, atMs);
      } catch (error) {
        failure = error;
      }
    }
    this.closeRevoked();
    if (failure !== null) throw failure;
  }

  async ask({ name, arguments: given, to }: Question): Promise<NodeAnswers> {
    const { node } = this.#options;
    if (!isForNode(to, node, node)) return { answers: [], isCutOff: false };
    const answer = await this.answerer.answer(name, given);
    return { answers: [{ node, run: node, ...answer }], isCutOff: false };
  }

  inTurn<Result>(_name: string, work: () => Promise<Result>): Promise<Result> {
    return work();
  }

  /** Closes what is open with revoked access; answers how many connections. */
  closeRevoked(): number {
    const { registry, authenticator } = this.#options;
    let count = 0;
    for (const session of registry.all()) {
      const { identity, state } = session;
      if (state === "closed" || identity === null || !authenticator.isRevoked(identity)) continue;
      session.close(Code.revoked);
      count++;
    }
    return count;
  }
}
