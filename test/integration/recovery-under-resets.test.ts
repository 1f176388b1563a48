import { describe, expect, test } from "bun:test";

import { startBroker } from "../support/broker.ts";
import { FaultProxy } from "../support/fault-proxy.ts";
import { ProtocolClient, publishFrame } from "../support/protocol-client.ts";
import { announceSeed, Random } from "../support/random.ts";
import { RecoveringSubscriber } from "../support/recovering-subscriber.ts";

const seed = announceSeed("recovery-under-resets");
const WINDOW = 20;

/**
 * Publishes 1, 2, 3 ... `count` with publication ids, a window at a time, over connections that break: what
 * was not acknowledged is sent again with the same ids. Resolves to the offsets it was told.
 */
async function publishThrough(
  url: string,
  channel: string,
  count: number,
  onAcknowledged: (n: number) => void = () => {},
): Promise<number[]> {
  const offsets: number[] = [];
  while (offsets.length < count) {
    const client = new ProtocolClient(url);
    try {
      await client.opened();
      await client.connect();
      while (offsets.length < count) {
        const from = offsets.length + 1;
        const numbers = Array.from(
          { length: Math.min(WINDOW, count - offsets.length) },
          (_, i) => from + i,
        );
        const ids = numbers.map(() => client.nextId());
        client.send(
          ...numbers.map((n, i) =>
            publishFrame(ids[i] as number, channel, `${n}`, { id: `p${n}` }),
          ),
        );
        for (const [i, id] of ids.entries()) {
          offsets.push((await client.published(id)).offset);
          onAcknowledged(numbers[i] as number);
        }
      }
    } catch (error) {
      // Only the end of the connection is a reason to try again.
      if (client.closed === null) throw error;
    } finally {
      client.terminate();
      await client.untilClosed();
    }
  }
  return offsets;
}

describe("with connections reset again and again", () => {
  test("every publication is stored once and seen once, in order, by every subscriber", async () => {
    const count = 3000;
    await using node = await startBroker({ historySize: count, idempotencyKeys: 200 });
    await using probe = await ProtocolClient.connect(node.url);
    const { epoch } = await probe.history("a", 0);
    await using proxy = await FaultProxy.start(node.port);
    const url = `ws://127.0.0.1:${proxy.port}`;
    const random = new Random(seed);
    const subscribers = [
      new RecoveringSubscriber(url, "a"),
      new RecoveringSubscriber(url, "a"),
      new RecoveringSubscriber(url, "a", "json"),
    ];
    let untilReset = 100;
    let resets = 0;
    const onPublication = (): void => {
      if (--untilReset > 0 || resets >= 40) return;
      untilReset = random.between(1, 400);
      resets++;
      proxy.resetAll();
    };
    const following = subscribers.map(async (subscriber) => {
      // Everything from the beginning, whenever it gets to connect.
      subscriber.position = { epoch, offset: 0 };
      while (!(await subscriber.follow(() => subscriber.offset === count, onPublication)));
    });
    const offsets = await publishThrough(url, "a", count);
    await Promise.all(following);
    expect(resets).toBeGreaterThan(5);
    expect(offsets).toEqual(Array.from({ length: count }, (_, i) => i + 1));
    for (const subscriber of subscribers) {
      expect(subscriber.seen.map(({ offset, text }) => [offset, Number(text)])).toEqual(
        offsets.map((offset) => [offset, offset]),
      );
      expect(subscriber.losses).toEqual([]);
      expect(subscriber.recoveredCount).toBeGreaterThan(1);
    }
    expect(await probe.history("a", 0)).toMatchObject({ epoch, offset: count });
  });

  test("what history no longer holds is told as not recovered, and nothing else is missing", async () => {
    const count = 2000;
    const historySize = 50;
    await using node = await startBroker({ historySize });
    await using proxy = await FaultProxy.start(node.port);
    const url = `ws://127.0.0.1:${proxy.port}`;
    const random = new Random(seed);
    const subscriber = new RecoveringSubscriber(url, "a");
    let published = 0;
    const waiters: (() => void)[] = [];
    const untilPublished = async (n: number): Promise<void> => {
      while (published < Math.min(n, count)) {
        await new Promise<void>((resolve) => waiters.push(resolve));
      }
    };
    const publishing = publishThrough(node.url, "a", count, (n) => {
      published = n;
      for (const wake of waiters.splice(0)) wake();
    });
    let untilReset = 30;
    const cut = (): void => {
      if (--untilReset > 0) return;
      untilReset = random.between(1, 150);
      proxy.resetAll();
    };
    while (!(await subscriber.follow(() => subscriber.offset === count, cut))) {
      // Away for longer than history lasts, or only for a moment.
      if (random.chance(0.3)) await untilPublished(published + 2 * historySize);
    }
    await publishing;
    const seen = new Set(subscriber.seen.map(({ offset }) => offset));
    expect(seen.size).toBe(subscriber.seen.length);
    for (const { offset, text } of subscriber.seen) expect(text).toBe(String(offset));
    const told = new Set<number>();
    for (const { from, to } of subscriber.losses) {
      expect(to.epoch).toBe(from.epoch);
      expect(to.offset - from.offset).toBeGreaterThan(0);
      for (let offset = from.offset + 1; offset <= to.offset; offset++) told.add(offset);
    }
    const first = subscriber.seen[0]?.offset ?? 1;
    const missing = [];
    for (let offset = first; offset <= count; offset++) if (!seen.has(offset)) missing.push(offset);
    expect(missing.filter((offset) => !told.has(offset))).toEqual([]);
    expect([...told].filter((offset) => seen.has(offset))).toEqual([]);
  });
});
