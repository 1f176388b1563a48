import { describe, expect, test } from "bun:test";

import { startBroker } from "../support/broker.ts";
import {
  checkContiguous,
  checkPublisherOrder,
  HistoryChecker,
} from "../support/history-checker.ts";
import { ProtocolClient, publishFrame, subscribeFrame } from "../support/protocol-client.ts";
import { announceSeed, Random } from "../support/random.ts";

const seed = announceSeed("ordering");

/** Publishes `count` texts `<name>:<n>` in messages of random sizes, and resolves when all are acknowledged. */
async function flood(
  client: ProtocolClient,
  random: Random,
  name: string,
  channels: readonly string[],
  count: number,
): Promise<{ channel: string; offset: number; text: string }[]> {
  const sent: { channel: string; text: string; reply: Promise<{ offset: number }> }[] = [];
  const next = new Map<string, number>();
  while (sent.length < count) {
    const frames = [];
    for (let i = random.between(1, 20); i > 0 && sent.length < count; i--) {
      const channel = random.pick(channels);
      const n = next.get(channel) ?? 0;
      next.set(channel, n + 1);
      const text = `${name}:${n}`;
      const id = client.nextId();
      frames.push(publishFrame(id, channel, text));
      sent.push({ channel, text, reply: client.published(id) });
    }
    client.send(...frames);
    // Lets other publishers and the broker in between.
    if (random.chance(0.3)) await sent.at(-1)?.reply;
  }
  return Promise.all(
    sent.map(async ({ channel, text, reply }) => ({ channel, text, offset: (await reply).offset })),
  );
}

describe("ordering", () => {
  test("all subscribers of a channel see one order, with each publisher's own order in it", async () => {
    await using broker = await startBroker();
    const random = new Random(seed);
    const subscribers = await Promise.all(
      Array.from({ length: 6 }, (_, i) =>
        ProtocolClient.connect(broker.url, { format: i === 5 ? "json" : "msgpack" }),
      ),
    );
    for (const [i, subscriber] of subscribers.entries()) {
      await subscriber.subscribe(i === 4 ? "a.>" : "a.b");
    }
    const publishers = await Promise.all(
      Array.from({ length: 4 }, () => ProtocolClient.connect(broker.url)),
    );
    const sent = await Promise.all(
      publishers.map((publisher, i) => flood(publisher, random, `p${i}`, ["a.b"], 300)),
    );
    const history = new HistoryChecker();
    for (const { offset, text } of sent.flat()) history.acknowledged(offset, text);
    for (const subscriber of subscribers) {
      await subscriber.untilPublications(1200);
      history.checkComplete(subscriber.publications);
      checkPublisherOrder(subscriber.texts("a.b"));
    }
  });

  test("channels published to in one message each keep their order, for subscribers of many of them", async () => {
    await using broker = await startBroker();
    const random = new Random(seed);
    const channels = Array.from({ length: 20 }, (_, i) => `c.${i}`);
    const all = await ProtocolClient.connect(broker.url);
    const some = await ProtocolClient.connect(broker.url);
    const byPattern = await ProtocolClient.connect(broker.url);
    const asJson = await ProtocolClient.connect(broker.url, { format: "json" });
    for (const channel of channels) {
      await all.subscribe(channel);
      await asJson.subscribe(channel);
    }
    for (const channel of channels.slice(0, 7)) await some.subscribe(channel);
    await byPattern.subscribe("c.*");
    const publisher = await ProtocolClient.connect(broker.url);
    const sent = await flood(publisher, random, "p", channels, 2000);
    for (const [client, names] of [
      [all, channels],
      [some, channels.slice(0, 7)],
      [byPattern, channels],
      [asJson, channels],
    ] as const) {
      const expected = sent.filter(({ channel }) => names.includes(channel));
      await client.untilPublications(expected.length);
      for (const name of names) {
        const texts = expected.filter(({ channel }) => channel === name).map(({ text }) => text);
        expect(client.texts(name)).toEqual(texts);
      }
      expect(client.publications).toHaveLength(expected.length);
    }
  });

  test("a session gets a publication once, however many of its subscriptions match", async () => {
    await using broker = await startBroker();
    const client = await ProtocolClient.connect(broker.url);
    for (const name of ["a.b", "a.*", "a.>", ">", "*.b"]) await client.subscribe(name);
    for (let i = 0; i < 50; i++) await client.publish("a.b", String(i));
    await client.unsubscribe("a.b");
    for (let i = 50; i < 100; i++) await client.publish("a.b", String(i));
    await client.subscribe("a.b");
    for (let i = 100; i < 150; i++) await client.publish("a.b", String(i));
    for (const name of ["a.*", "a.>", ">"]) await client.unsubscribe(name);
    for (let i = 150; i < 200; i++) await client.publish("a.b", String(i));
    checkContiguous(client.publications, 0);
    expect(client.texts("a.b")).toEqual(Array.from({ length: 200 }, (_, i) => String(i)));
  });

  test("a subscription that begins and ends in a flood has no hole and no double at its edges", async () => {
    await using broker = await startBroker();
    const random = new Random(seed);
    const publisher = await ProtocolClient.connect(broker.url);
    const subscriber = await ProtocolClient.connect(broker.url);
    const flooding = flood(publisher, random, "p", ["a"], 4000);
    let position: { epoch: string; offset: number } | null = null;
    let rounds = 0;
    const progress = { isFlooding: true };
    const flooded = flooding.finally(() => {
      progress.isFlooding = false;
    });
    while (progress.isFlooding || rounds < 5) {
      const from = subscriber.publications.length;
      const recover = rounds % 2 === 1 && position !== null ? { recover: position } : {};
      const subscribed = await subscriber.subscribe("a", recover);
      const start = subscribed.offset - subscribed.count;
      if (subscribed.recovered) expect(start).toBe(position?.offset ?? -1);
      await Promise.race([
        flooded,
        subscriber.untilPublications(from + subscribed.count + random.below(200)),
      ]);
      await subscriber.unsubscribe("a");
      const seen = subscriber.publications.slice(from);
      checkContiguous(seen, start);
      expect(seen.length).toBeGreaterThanOrEqual(subscribed.count);
      position = { epoch: subscribed.epoch, offset: start + seen.length };
      // Nothing comes after the reply to unsubscribe.
      const after = subscriber.publications.length;
      await subscriber.ping();
      expect(subscriber.publications.length).toBe(after);
      rounds++;
    }
    const history = new HistoryChecker();
    for (const { offset, text } of await flooded) history.acknowledged(offset, text);
    expect(history.size).toBe(4000);
  });

  test("a publication acknowledged before a subscribe is not delivered live, one published after it is", async () => {
    await using broker = await startBroker();
    const client = await ProtocolClient.connect(broker.url);
    const [before, subscribe, after] = [client.nextId(), client.nextId(), client.nextId()];
    client.send(
      publishFrame(before, "a", "before"),
      subscribeFrame(subscribe, "a"),
      publishFrame(after, "a", "after"),
    );
    await client.reply(after);
    await client.untilPublications(1);
    expect(client.texts()).toEqual(["after"]);
    const types = client.frames.slice(1).map(({ type }) => type);
    expect(types.indexOf("publication")).toBeGreaterThan(1);
  });
});
