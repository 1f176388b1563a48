import { Keys } from "../../broker/engine/redis/keys.ts";
import { DeliveryChecker } from "../chaos/delivery-checker.ts";
import type { DeliveryFigures } from "../chaos/delivery-checker.ts";
import { Random } from "../support/random.ts";
import { SimulatedNode } from "./simulated-node.ts";
import { SimulatedRedis } from "./simulated-redis.ts";
import type { Weather } from "./simulated-redis.ts";
import { VirtualTime } from "./virtual-time.ts";

const CALM: Weather = {
  lostRequest: 0,
  lostReply: 0,
  lostMessage: 0,
  doubledMessage: 0,
  maxDelayMs: 5,
};

/** Longer than any back-off, time-out or audit takes. */
const SETTLE_MS = 20_000;

/** A mix of faults of its own for each seed; many have none of a kind, so that the others show. */
function randomWeather(random: Random): Weather {
  const some = (most: number): number =>
    random.chance(0.5) ? 0 : (random.below(100) / 100) * most;
  return {
    lostRequest: some(0.2),
    lostReply: some(0.3),
    lostMessage: some(0.3),
    doubledMessage: some(0.3),
    maxDelayMs: random.pick([0, 5, 50, 400]),
  };
}

/** Two nodes, one server and its replica, clients that come and go, and whatever this seed does to them. */
export class Simulation {
  readonly #random: Random;
  readonly #time: VirtualTime;
  readonly #redis = new SimulatedRedis();
  readonly #checker = new DeliveryChecker();
  readonly #channels: readonly string[];
  readonly #nodes: readonly [SimulatedNode, SimulatedNode];
  /** On which node each client is; null while it is away. */
  readonly #clients = new Map<string, SimulatedNode | null>();
  readonly #steps: number;
  readonly #keys = new Keys("s", 1);
  readonly #weather: Weather;

  constructor(seed: number) {
    const random = new Random(seed);
    this.#random = random;
    this.#time = new VirtualTime(random);
    this.#channels = ["a", "b"].slice(0, random.between(1, 2));
    this.#weather = randomWeather(random);
    const options = {
      channels: this.#channels,
      historySize: random.pick([3, 20, 1000]),
      keys: this.#keys,
      time: this.#time,
      random,
      redis: this.#redis,
      weather: CALM,
      checker: this.#checker,
    };
    this.#nodes = [
      new SimulatedNode({ ...options, name: "m" }),
      new SimulatedNode({ ...options, name: "n" }),
    ];
    this.#steps = random.between(10, 60);
  }

  /** @throws when somebody does not come to the top once all is calm */
  async run(): Promise<DeliveryFigures> {
    for (const node of this.#nodes) void node.attach();
    await this.#time.run(SETTLE_MS);
    for (const name of ["x", "y", "z"]) this.#join(name);
    for (const node of this.#nodes) node.link.setWeather(this.#weather);
    for (let step = 0; step < this.#steps; step++) {
      this.#step();
      await this.#time.run(this.#random.pick([0, 1, 20, 200, 200, 3000]));
    }
    await this.#settle();
    return this.#checker.figures();
  }

  #step(): void {
    const random = this.#random;
    switch (random.below(24)) {
      case 0:
        // Half of them lose nothing that was executed, only what was under way.
        if (random.chance(0.5)) this.#redis.replicate();
        this.#redis.failOver();
        break;
      case 1:
        this.#redis.restart();
        break;
      case 2:
        random.pick(this.#nodes).link.cut();
        break;
      case 3:
        if (random.chance(0.2)) this.#redis.model.flushAll();
        break;
      case 4:
        random.pick(this.#nodes).audit();
        break;
      case 5:
      case 6:
        this.#move(random.pick([...this.#clients.keys()]));
        break;
      case 7:
      case 8:
      case 9:
        this.#redis.replicate();
        break;
      default: {
        const node = random.pick(this.#nodes);
        const channel = random.pick(this.#channels);
        for (let i = random.between(1, 4); i > 0; i--) node.publish(channel);
      }
    }
  }

  #join(client: string): void {
    const node = this.#random.pick(this.#nodes);
    // A subscribe is acknowledged when the engine has the channel; a client that waits is away.
    if (!node.isLive) {
      this.#clients.set(client, null);
      return;
    }
    for (const channel of this.#channels) node.follow(client, channel);
    this.#clients.set(client, node);
  }

  /** A client goes away, or comes back to either node. */
  #move(client: string): void {
    const node = this.#clients.get(client) ?? null;
    if (node === null) {
      this.#join(client);
      return;
    }
    for (const channel of this.#channels) node.leave(client, channel);
    this.#clients.set(client, null);
  }

  /** All is calm, everybody comes back, and one more publication goes through every channel. */
  async #settle(): Promise<void> {
    for (const node of this.#nodes) node.link.setWeather(CALM);
    await this.#time.run(SETTLE_MS);
    // The first reads of a promoted server may begin its epochs: the second audit shows them to both nodes.
    for (let round = 0; round < 2; round++) {
      for (const node of this.#nodes) node.audit();
      await this.#time.run(SETTLE_MS);
    }
    for (const node of this.#nodes) this.#expectUpToDate(node);
    for (const [client, node] of this.#clients) if (node === null) this.#join(client);
    const away = [...this.#clients].filter(([, node]) => node === null);
    if (away.length > 0) throw new Error("a node did not become whole");
    for (const channel of this.#channels) this.#nodes[0].publish(channel);
    await this.#time.run(SETTLE_MS);
    if (!this.#nodes.every(({ isIdle }) => isIdle)) throw new Error("an outbox did not empty");
    for (const client of this.#clients.keys()) this.#expectAtTop(client);
  }

  /** Also of what was last, and that nothing later revealed. */
  #expectUpToDate(node: SimulatedNode): void {
    for (const { name, hash, epoch, log } of node.streams.values()) {
      const [topEpoch, top] = this.#redis.model.position(this.#keys.meta(0, hash));
      if (topEpoch === epoch && Number(top) === log.offset) continue;
      throw new Error(
        `a node is at ${epoch}:${log.offset} of ${name}, Redis at ${topEpoch}:${top}`,
      );
    }
  }

  #expectAtTop(client: string): void {
    for (const channel of this.#channels) {
      const { epoch, offset } = this.#checker.position(client, channel);
      const top = this.#checker.lastAcknowledged(channel);
      if (epoch === top.epoch && offset === top.offset) continue;
      throw new Error(
        `${client} is at ${epoch}:${offset} of ${channel}, which is at ${top.epoch}:${top.offset}`,
      );
    }
  }
}
