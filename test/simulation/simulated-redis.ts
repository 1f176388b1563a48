import type { PublishTarget } from "../../broker/engine/redis/publisher.ts";
import type { Script } from "../../broker/engine/redis/scripts.ts";
import type { Random } from "../support/random.ts";
import { RedisModel } from "./redis-model.ts";
import type { Published, ReplicaData } from "./redis-model.ts";
import type { VirtualTime } from "./virtual-time.ts";

const COMMAND_TIMEOUT_MS = 2000;

/** How bad the network is: probabilities, and the longest delay of a step in ms. */
export interface Weather {
  readonly lostRequest: number;
  readonly lostReply: number;
  readonly lostMessage: number;
  readonly doubledMessage: number;
  readonly maxDelayMs: number;
}

/** The server all nodes use, its replica, and what it takes to lose what it said. */
export class SimulatedRedis {
  readonly model = new RedisModel();
  readonly #links: SimulatedLink[] = [];
  #replica: ReplicaData = this.model.replicate();

  link(time: VirtualTime, random: Random, weather: Weather, host: LinkHost): SimulatedLink {
    const link = new SimulatedLink(this, time, random, weather, host);
    this.#links.push(link);
    return link;
  }

  publish(published: Published): void {
    for (const link of this.#links) link.deliver(published);
  }

  /** The replica has everything up to now. */
  replicate(): void {
    this.#replica = this.model.replicate();
  }

  /** The replica takes over; what it had not seen is gone, and every connection with it. */
  failOver(): void {
    this.model.promote(this.#replica);
    for (const link of this.#links) link.cut();
  }

  restart(): void {
    this.model.renewFence();
    for (const link of this.#links) link.cut();
  }
}

export interface LinkHost {
  received(message: Buffer): void;
  /** Messages come again, after a time in which some may have been missed. */
  resubscribed(): void;
}

/** One node's connections to the server, with everything the network may do to them. */
export class SimulatedLink implements PublishTarget {
  readonly index = 0;
  readonly publishCommand = "PUBLISH";
  readonly #redis: SimulatedRedis;
  readonly #time: VirtualTime;
  readonly #random: Random;
  readonly #host: LinkHost;
  #weather: Weather;
  #isSubscribed = true;
  /** Raised when connections end: what was under way on them is void. */
  #generation = 0;
  /** Messages come in order: none before this time. */
  #lastMessageMs = 0;

  constructor(
    redis: SimulatedRedis,
    time: VirtualTime,
    random: Random,
    weather: Weather,
    host: LinkHost,
  ) {
    this.#redis = redis;
    this.#time = time;
    this.#random = random;
    this.#weather = weather;
    this.#host = host;
  }

  get canPublish(): boolean {
    return this.#isSubscribed;
  }

  setWeather(weather: Weather): void {
    this.#weather = weather;
  }

  /** All connections end, and come back after a while. */
  cut(): void {
    this.#generation++;
    this.#isSubscribed = false;
    const generation = this.#generation;
    this.#time.after(this.#random.between(1, 500), () => {
      if (generation !== this.#generation) return;
      this.#isSubscribed = true;
      this.#host.resubscribed();
    });
  }

  deliver({ message }: Published): void {
    const { lostMessage, doubledMessage, maxDelayMs } = this.#weather;
    if (!this.#isSubscribed || this.#random.chance(lostMessage)) return;
    const copies = this.#random.chance(doubledMessage) ? 2 : 1;
    const generation = this.#generation;
    for (let i = 0; i < copies; i++) {
      const atMs = this.#time.nowMs() + this.#random.below(maxDelayMs + 1);
      this.#lastMessageMs = Math.max(this.#lastMessageMs, atMs);
      this.#time.after(this.#lastMessageMs - this.#time.nowMs(), () => {
        if (generation === this.#generation) this.#host.received(Buffer.from(message));
      });
    }
  }

  runPublish(script: Script, keys: readonly string[], args: readonly (string | Buffer)[]) {
    // The engine's buffers may change once the command is written.
    const written = args.map((arg) => (typeof arg === "string" ? arg : Buffer.from(arg)));
    return this.#call(() =>
      this.#redis.model.run(script, keys, written, (published) => this.#redis.publish(published)),
    );
  }

  runBulk(script: Script, keys: readonly string[], args: readonly (string | Buffer)[]) {
    return this.#call(() => this.#redis.model.run(script, keys, args, () => {}));
  }

  publishPlain(): Promise<unknown> {
    return Promise.reject(new Error("channels without history promise nothing to simulate"));
  }

  waitForReplicas(): Promise<number> {
    return Promise.resolve(1);
  }

  /** The two commands of an audit. */
  pipeline(commands: readonly (readonly string[])[]): Promise<[Error | null, unknown][] | null> {
    return this.#call(() =>
      commands.map(([name, key = ""]): [null, unknown] => [
        null,
        name === "HMGET" ? this.#redis.model.position(key) : 1,
      ]),
    ) as Promise<[Error | null, unknown][]>;
  }

  /** A request that may be lost, or executed with its reply lost; a late one may be executed after all. */
  #call(execute: () => unknown): Promise<unknown> {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const { lostRequest, lostReply, maxDelayMs } = this.#weather;
    if (!this.#isSubscribed) {
      reject(new Error("Stream isn't writeable and enableOfflineQueue options is false"));
      return promise;
    }
    const generation = this.#generation;
    this.#time.after(COMMAND_TIMEOUT_MS, () => reject(new Error("Command timed out")));
    if (this.#random.chance(lostRequest)) return promise;
    this.#time.soon(maxDelayMs, () => {
      if (generation !== this.#generation) return;
      const reply = execute();
      if (this.#random.chance(lostReply)) return;
      this.#time.soon(maxDelayMs, () => {
        if (generation === this.#generation) resolve(reply);
      });
    });
    return promise;
  }
}
