import { describe, expect, test } from "bun:test";

import { readMessage } from "../../../../broker/engine/redis/envelope.ts";
import { Keys } from "../../../../broker/engine/redis/keys.ts";
import { noStats } from "../../../../broker/engine/redis/redis-engine-options.ts";
import { RedisStream } from "../../../../broker/engine/redis/redis-stream.ts";
import { publishScript } from "../../../../broker/engine/redis/scripts.ts";
import type { Script } from "../../../../broker/engine/redis/scripts.ts";
import { StreamReader } from "../../../../broker/engine/redis/stream-reader.ts";
import { silentLogger } from "../../../../broker/ports.ts";
import { NAMESPACE, RecordingListener, textsOf } from "../../../contract/engine-harness.ts";
import { RedisModel } from "../../../simulation/redis-model.ts";
import { ScriptCalls } from "../../../support/redis-scripts.ts";
import { VirtualClock } from "../../../support/virtual-clock.ts";

/** Less than is published while a message is late: what the stream lacks is gone from history. */
const HISTORY = 2;

const keys = new Keys("t", 1);

/**
 * A stream over the model of Redis that the simulations use. Nothing takes time: readings and pauses wait until
 * the test lets them go on, and a message arrives when the test says so.
 */
class Bench {
  readonly #model = new RedisModel();
  readonly #late: Buffer[] = [];
  readonly #calls = new ScriptCalls("t");
  #seq = 0;
  #pauses: (() => void)[] = [];
  #readings: (() => void)[] = [];
  readonly stats = noStats();
  readonly stream = new RedisStream(
    "a",
    1,
    keys,
    { ...NAMESPACE, historySize: HISTORY },
    0,
    600_000,
  );
  readonly listener = new RecordingListener(this.stream);
  readonly reader = new StreamReader({
    keys,
    shardOf: () => ({
      runBulk: async (script: Script, names: readonly string[], args) => {
        await this.#until(this.#readings);
        return this.#model.run(script, names, args, () => {});
      },
    }),
    pause: () => this.#until(this.#pauses),
    clock: new VirtualClock(),
    logger: silentLogger,
    stats: this.stats,
  });

  static async attached(): Promise<Bench> {
    const bench = new Bench();
    bench.stream.phase = "reading";
    const begun = bench.reader.begin(bench.stream);
    await bench.goOn("reading");
    await begun;
    return bench;
  }

  #until(waiting: (() => void)[]): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    waiting.push(resolve);
    return promise;
  }

  /** Lets the reading, or the pause, that is under way come to its end. */
  async goOn(what: "reading" | "pause"): Promise<void> {
    const waiting = what === "reading" ? this.#readings : this.#pauses;
    expect(waiting.length).toBe(1);
    waiting.shift()?.();
    await settled();
  }

  /** Lets all readings come to their end that are under way, if there are any. */
  async readAll(): Promise<void> {
    for (const goOn of this.#readings.splice(0)) goOn();
    await settled();
  }

  get isPausing(): boolean {
    return this.#pauses.length > 0;
  }

  get isReading(): boolean {
    return this.#readings.length > 0;
  }

  /** Redis has it; its message is on its way. */
  publish(text: string): void {
    const groups = [{ channel: "a", texts: [text], historySize: HISTORY }];
    const call = this.#calls.publish({ seq: ++this.#seq, groups, fresh: "e" });
    // Behind the command, the script and the number of keys: four keys, and the arguments.
    const [ring, , , , ...args] = call.slice(3) as [string, string, string, string, ...string[]];
    const names = [ring, keys.history(0, this.stream.hash), keys.meta(0, this.stream.hash)];
    this.#model.run(publishScript, [...names, "no-id"], args, ({ message }) =>
      this.#late.push(message),
    );
  }

  /** The oldest of the messages that are on their way is here. */
  arrive(): void {
    readMessage(this.#late.shift() as Buffer, (group) => {
      if (this.stream.phase === "reading") this.stream.hold(group);
      else this.reader.apply(this.stream, group);
    });
  }

  expectWhole(...expected: readonly string[]): void {
    this.listener.take();
    expect(textsOf(this.listener.taken)).toEqual([...expected]);
    expect(this.listener.resets).toBe(0);
    expect(this.stream.phase).toBe("live");
    expect(this.isPausing || this.isReading).toBe(false);
  }
}

/** Everything that can go on without the test has. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

describe("healing", () => {
  test("waits for messages that are on their way, however far Redis is ahead", async () => {
    const bench = await Bench.attached();
    for (const text of ["1", "2", "3", "4", "5"]) bench.publish(text);
    // What an audit does that sees Redis at 5.
    const healing = bench.reader.heal(bench.stream);
    await settled();
    // A reading now would find that the first three are gone from history.
    await bench.readAll();
    expect(bench.listener.resets).toBe(0);
    for (let i = 0; i < 5; i++) bench.arrive();
    await bench.goOn("pause");
    await healing;
    bench.expectWhole("1", "2", "3", "4", "5");
  });

  test("reads nothing when one has come, though more are late", async () => {
    const bench = await Bench.attached();
    for (const text of ["1", "2", "3", "4", "5"]) bench.publish(text);
    const healing = bench.reader.heal(bench.stream);
    await settled();
    bench.arrive();
    await bench.goOn("pause");
    await healing;
    for (let i = 0; i < 4; i++) bench.arrive();
    bench.expectWhole("1", "2", "3", "4", "5");
  });

  test("goes on with messages that came while it read, before it looks for a hole", async () => {
    const bench = await Bench.attached();
    bench.publish("1");
    const healing = bench.reader.heal(bench.stream);
    await settled();
    await bench.goOn("pause");
    expect(bench.isReading).toBe(true);
    // By now all that the stream lacks is gone from history.
    for (const text of ["2", "3", "4", "5"]) bench.publish(text);
    for (let i = 0; i < 5; i++) bench.arrive();
    await bench.goOn("reading");
    await healing;
    bench.expectWhole("1", "2", "3", "4", "5");
  });

  test("says that publications are missing when nothing comes and history has them no more", async () => {
    const bench = await Bench.attached();
    for (const text of ["1", "2", "3", "4", "5"]) bench.publish(text);
    const healing = bench.reader.heal(bench.stream);
    await settled();
    await bench.goOn("pause");
    await bench.goOn("reading");
    await healing;
    expect(bench.listener.resets).toBe(1);
    expect(bench.stream.log.offset).toBe(5);
    // They are known by now.
    for (let i = 0; i < 5; i++) bench.arrive();
    bench.publish("6");
    bench.arrive();
    bench.listener.take();
    expect(textsOf(bench.listener.taken)).toEqual(["6"]);
    expect(bench.listener.resets).toBe(1);
  });
});
