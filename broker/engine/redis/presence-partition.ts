import type { PresenceMember } from "../../../protocol/messages/presence.ts";

/** Changes that go to Redis in one call. */
const MAX_BATCH_CHANGES = 200;

export type ChangeKind = "enter" | "leave";

/**
 * Whose pub/sub channel carries word of a change: the partition's, the channel's own, or both when it is not
 * known which of them the channel uses.
 */
export type ChangeRoute = "shared" | "own" | "both";

/** A change on its way to Redis. */
export interface Change {
  readonly kind: ChangeKind;
  readonly channel: string;
  readonly hash: string;
  readonly route: ChangeRoute;
  readonly connection: string;
  readonly user: string | null;
  /** The other nodes are to be told of it. */
  readonly isNews: boolean;
  /** Redis may have an entry of the connection from before. */
  mayBeThere: boolean;
  /** It has been handed to Redis before, so it may have been made. */
  wasTried: boolean;
}

/** What became of handing over changes. */
export type ChangeOutcome =
  /** Per change: whether it was made. */
  | { readonly type: "done"; readonly made: readonly boolean[] }
  /** Not handed over. */
  | { readonly type: "unsent"; readonly retryMs: number }
  | { readonly type: "unknown"; readonly retryMs: number };

export interface PresencePartitionHost {
  /** Whether entries may be written now; `flush` is called when that changes. */
  isReady(): boolean;
  send(changes: readonly Change[]): Promise<ChangeOutcome>;
}

interface Member {
  readonly user: string | null;
  /** Redis has it, or had it. */
  isMade: boolean;
}

interface PresentChannel {
  readonly hash: string;
  readonly route: ChangeRoute;
  readonly members: Map<string, Member>;
}

/**
 * This node's own connections in the presence of one partition's channels, and the changes on their way to
 * Redis: one batch at a time, so they arrive in order. What could not be handed over waits; of one
 * connection on one channel only the last change does, so what waits is bounded by who is and who was there.
 */
export class PresencePartition {
  readonly #host: PresencePartitionHost;
  readonly #channels = new Map<string, PresentChannel>();
  #madeCount = 0;
  #waiting = new Map<string, Change>();
  #isScheduled = false;
  #flushing: Promise<void> | null = null;
  #isSending = false;
  #retry: ReturnType<typeof setTimeout> | null = null;
  #isStopped = false;

  constructor(host: PresencePartitionHost) {
    this.#host = host;
  }

  /** Entries that Redis is to have once this is settled. */
  get madeCount(): number {
    return this.#madeCount;
  }

  /** Nothing is on its way: Redis has what this has. */
  get isSettled(): boolean {
    return this.#waiting.size === 0 && !this.#isSending;
  }

  /** This node's members of a channel. */
  members(channel: string): PresenceMember[] {
    const members = this.#channels.get(channel)?.members ?? new Map<string, Member>();
    return Array.from(members, ([connection, { user }]) => ({ connection, user }));
  }

  enter(
    channel: string,
    hash: string,
    route: ChangeRoute,
    { connection, user }: PresenceMember,
  ): void {
    let present = this.#channels.get(channel);
    if (present === undefined) {
      present = { hash, route, members: new Map() };
      this.#channels.set(channel, present);
    }
    if (present.members.has(connection)) return;
    present.members.set(connection, { user, isMade: false });
    const change = { channel, hash, route, connection, user };
    this.#add({ kind: "enter", ...change, isNews: true, mayBeThere: false });
  }

  leave(channel: string, connection: string): void {
    const present = this.#channels.get(channel);
    const member = present?.members.get(connection);
    if (present === undefined || member === undefined) return;
    present.members.delete(connection);
    if (member.isMade) this.#madeCount--;
    if (present.members.size === 0) this.#channels.delete(channel);
    const waiting = this.#waiting.get(keyOf(channel, connection));
    if (waiting?.kind === "enter" && !waiting.mayBeThere) {
      // Redis has never heard of it.
      this.#waiting.delete(keyOf(channel, connection));
      return;
    }
    const { hash, route } = present;
    const { user, isMade: isNews } = member;
    const change = { channel, hash, route, connection, user };
    this.#add({ kind: "leave", ...change, isNews, mayBeThere: true });
  }

  leaveAll(): void {
    for (const [channel, { members }] of this.#channels) {
      for (const connection of members.keys()) this.leave(channel, connection);
    }
  }

  /**
   * Redis may have lost entries: all are written again.
   * @param wereTold whether others heard of their leaving, so that they are to hear of their coming back
   */
  rewrite(wereTold: boolean): void {
    for (const [channel, { hash, route, members }] of this.#channels) {
      for (const [connection, member] of members) {
        if (this.#waiting.has(keyOf(channel, connection))) continue;
        const isNews = wereTold || !member.isMade;
        const { user } = member;
        const change = { channel, hash, route, connection, user };
        this.#add({ kind: "enter", ...change, isNews, mayBeThere: true });
      }
    }
  }

  /** Takes an entry out of Redis that this node does not have. */
  retract(channel: string, hash: string, connection: string): void {
    if (this.#channels.get(channel)?.members.has(connection) === true) return;
    const change = { channel, hash, route: "both" as const, connection, user: null };
    this.#add({ kind: "leave", ...change, isNews: false, mayBeThere: true });
  }

  #add(change: Omit<Change, "wasTried">): void {
    const key = keyOf(change.channel, change.connection);
    const mayBeThere = change.mayBeThere || this.#waiting.get(key)?.mayBeThere === true;
    // Behind what waits already: changes of different connections keep their order.
    this.#waiting.delete(key);
    this.#waiting.set(key, { ...change, mayBeThere, wasTried: false });
    if (this.#isScheduled || this.#isStopped) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      void this.flush();
    });
  }

  /** Hands over what waits. Resolves when all is done or nothing more can be done now. */
  flush(): Promise<void> {
    this.#flushing ??= this.#flush().finally(() => {
      this.#flushing = null;
    });
    return this.#flushing;
  }

  async #flush(): Promise<void> {
    while (this.#waiting.size > 0 && this.#host.isReady() && !this.#isStopped) {
      const batch = this.#takeBatch();
      this.#isSending = true;
      const outcome = await this.#host.send(batch);
      this.#isSending = false;
      if (outcome.type === "done") {
        this.#made(batch, outcome.made);
        continue;
      }
      if (outcome.type === "unknown") {
        for (const change of batch) change.wasTried = change.mayBeThere = true;
      }
      this.#putBack(batch);
      this.#retryIn(outcome.retryMs);
      return;
    }
  }

  #takeBatch(): Change[] {
    const batch: Change[] = [];
    for (const [key, change] of this.#waiting) {
      batch.push(change);
      this.#waiting.delete(key);
      if (batch.length === MAX_BATCH_CHANGES) break;
    }
    return batch;
  }

  #made(batch: readonly Change[], made: readonly boolean[]): void {
    for (const [index, { kind, channel, connection }] of batch.entries()) {
      if (kind !== "enter" || made[index] !== true) continue;
      const member = this.#channels.get(channel)?.members.get(connection);
      if (member === undefined || member.isMade) continue;
      member.isMade = true;
      this.#madeCount++;
    }
  }

  /** Puts changes back in front, except where a later one of the same connection waits. */
  #putBack(batch: readonly Change[]): void {
    const later = this.#waiting;
    this.#waiting = new Map();
    for (const change of batch) {
      const key = keyOf(change.channel, change.connection);
      const successor = later.get(key);
      if (successor === undefined) this.#waiting.set(key, change);
      else successor.mayBeThere ||= change.mayBeThere;
    }
    for (const [key, change] of later) this.#waiting.set(key, change);
  }

  #retryIn(ms: number): void {
    if (this.#retry !== null) clearTimeout(this.#retry);
    this.#retry = setTimeout(() => {
      this.#retry = null;
      void this.flush();
    }, ms);
  }

  stop(): void {
    this.#isStopped = true;
    if (this.#retry !== null) clearTimeout(this.#retry);
  }
}

function keyOf(channel: string, connection: string): string {
  return `${channel} ${connection}`;
}
