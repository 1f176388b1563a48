import { waitUntil } from "../support/redis/wait.ts";
import type { ChaosNode, NodeEvent } from "./chaos-node.ts";
import { ChaosPublisher } from "./chaos-publisher.ts";
import { ChaosSubscriber } from "./chaos-subscriber.ts";
import { DeliveryChecker } from "./delivery-checker.ts";
import type { DeliveryFigures } from "./delivery-checker.ts";

/** All must be whole again so long after the last fault; a failover takes most of it. */
const CONVERGE_LIMIT_MS = 25_000;

/** Nodes compare what they have with Redis every 10 s: by then a quiet channel is whole too. */
const AUDIT_LIMIT_MS = 14_000;

/** A marker that fell into a break is not seen by everybody: then another follows. */
const MARKER_LIMIT_MS = 2000;

export interface RoundOptions {
  readonly nodes: readonly [ChaosNode, ChaosNode];
  readonly channels?: number;
  readonly publishers?: number;
  readonly perTick?: number;
}

export interface RoundFigures extends DeliveryFigures {
  /** Gaps that nodes closed by a read, unnoticed by clients. */
  readonly healed: number;
  /** Streams that nodes could not continue. */
  readonly resets: number;
  readonly recovered: number;
  /** Longest time without an acknowledgement, ms. */
  readonly longestSilenceMs: number;
  /** From the end of the last fault until every subscriber was at the top, ms. */
  readonly convergedMs: number;
  /** Subscribers came to the top before anything more was published. */
  readonly isWholeByItself: boolean;
}

/** Two brokers under load: publishers on the first, subscribers on both, and the checker of it all. */
export class ChaosRound implements Disposable {
  readonly checker = new DeliveryChecker();
  readonly publishers: readonly ChaosPublisher[];
  readonly subscribers: readonly ChaosSubscriber[];
  readonly channels: readonly string[];
  readonly #nodes: readonly [ChaosNode, ChaosNode];

  private constructor({ nodes, channels = 12, publishers = 2, perTick = 3 }: RoundOptions) {
    this.#nodes = nodes;
    this.channels = Array.from({ length: channels }, (_, i) => `chaos.${i}`);
    const [first, second] = nodes;
    this.subscribers = [first, second, second].map(
      (node, i) => new ChaosSubscriber(`s${i}`, () => node.url(), this.channels, this.checker),
    );
    this.publishers = Array.from(
      { length: publishers },
      // The last one publishes where the others subscribe, so that both directions are used.
      (_, i) => {
        const node = i > 0 && i === publishers - 1 ? second : first;
        return new ChaosPublisher(`p${i}`, () => node.url(), this.channels, this.checker, perTick);
      },
    );
  }

  /** Resolves when everybody is subscribed and something has been acknowledged to each publisher. */
  static async start(options: RoundOptions): Promise<ChaosRound> {
    const round = new ChaosRound(options);
    await waitUntil("all are subscribed", () => round.#isFollowing());
    await round.acked(20);
    return round;
  }

  #isFollowing(): boolean {
    return this.subscribers.every(({ isFollowingAll }) => isFollowingAll);
  }

  /** Resolves when every publisher has got so many more acknowledgements. */
  async acked(count: number): Promise<void> {
    await Promise.all(this.publishers.map((publisher) => publisher.acked(count)));
  }

  /** Resolves when so many more have been sent by one of them, whatever becomes of them. */
  async sent(count: number): Promise<void> {
    await Promise.race(this.publishers.map((publisher) => publisher.sent(count)));
  }

  /** Resolves when a node has logged this since a time (performance.now). */
  async logged(node: number, event: string, sinceMs: number): Promise<NodeEvent> {
    const find = (): NodeEvent | undefined =>
      this.#nodes[node]?.events.find((item) => item.event === event && item.atMs >= sinceMs);
    await waitUntil(`node ${node} logs ${event}`, () => find() !== undefined);
    return find() as NodeEvent;
  }

  /** Ends the load, brings everybody up to date, and goes through the log. */
  async finish(): Promise<RoundFigures> {
    const fromMs = performance.now();
    await Promise.all(this.publishers.map((publisher) => publisher.quiesce()));
    const isWholeByItself = await this.#comesToTop(AUDIT_LIMIT_MS);
    const deadlineMs = performance.now() + CONVERGE_LIMIT_MS;
    while (!(await this.#convergesOnMarkers())) {
      if (performance.now() > deadlineMs) throw new Error(this.#describe());
    }
    const convergedMs = performance.now() - fromMs;
    const stats = this.#nodes.flatMap((node) => node.stats ?? []);
    return {
      ...this.checker.figures(),
      healed: stats.reduce((sum, { gapsHealed }) => sum + gapsHealed, 0),
      resets: stats.reduce((sum, { resets }) => sum + resets, 0),
      recovered: this.subscribers.reduce((sum, { recoveredCount }) => sum + recoveredCount, 0),
      longestSilenceMs: Math.max(...this.publishers.map((publisher) => publisher.longestSilenceMs)),
      convergedMs,
      isWholeByItself,
    };
  }

  /** Publishes a marker on every channel; true when all subscribers follow and stand where it is. */
  async #convergesOnMarkers(): Promise<boolean> {
    const publisher = this.publishers[0] as ChaosPublisher;
    const before = publisher.ackedCount;
    await publisher.publishOnAll();
    if (publisher.ackedCount !== before + this.channels.length) return false;
    return this.#comesToTop(MARKER_LIMIT_MS);
  }

  async #comesToTop(limitMs: number): Promise<boolean> {
    try {
      await waitUntil("all are at the top", () => this.#isAtTop(), { limitMs });
      return true;
    } catch {
      return false; // What was last was erased, or a subscriber was told of a break after it.
    }
  }

  #isAtTop(): boolean {
    if (!this.#isFollowing()) return false;
    return this.channels.every((channel) => {
      const top = this.checker.lastAcknowledged(channel);
      return this.subscribers.every((subscriber) => {
        const { epoch, offset } = subscriber.position(channel);
        return epoch === top.epoch && offset >= top.offset;
      });
    });
  }

  #describe(): string {
    const lines = this.subscribers.flatMap((subscriber) =>
      this.channels.map((channel) => {
        const at = subscriber.position(channel);
        const top = this.checker.lastAcknowledged(channel);
        return `${subscriber.name} ${channel}: ${at.epoch}:${at.offset} of ${top.epoch}:${top.offset}`;
      }),
    );
    return `the subscribers did not come to the top:\n${lines.join("\n")}`;
  }

  [Symbol.dispose](): void {
    for (const client of [...this.publishers, ...this.subscribers]) client[Symbol.dispose]();
  }
}
