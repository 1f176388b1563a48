import { expect, test } from "bun:test";

import { connect, defineChannel, TickwireClient } from "../../client/index.ts";
import type { Publication, Subscription } from "../../client/index.ts";
import { startBroker } from "../support/broker.ts";
import { collect, once, refusal } from "../support/client-events.ts";
import { FaultProxy } from "../support/fault-proxy.ts";
import { Deliveries } from "../support/subscribed-client.ts";

/* The SDK with a real broker: what the scripted peer's tests take for granted about the other side. */

async function next<T>(subscription: Subscription<T>): Promise<Publication<T>> {
  const result = await subscription[Symbol.asyncIterator]().next();
  if (result.done === true) throw new Error("the subscription has ended");
  return result.value;
}

test("values of every kind arrive as they were published", async () => {
  await using broker = await startBroker();
  await using client = await connect(broker.url);
  const subscription = client.subscribe("values");
  await subscription.ready();
  const values = [null, true, 1, -1.5, "grüß", [1, [2]], { a: { b: new Date(1) } }, 2n ** 60n];
  for (const value of values) await client.publish("values", value);
  for (const [i, value] of values.entries()) {
    const publication = await next(subscription);
    expect(publication.offset).toBe(i + 1);
    expect(publication.data).toEqual(value);
  }
});

test("a typed channel under a pattern", async () => {
  await using broker = await startBroker();
  await using client = await connect(broker.url);
  const quotes = defineChannel<{ bid: number }>("market.*", { encode: "json", decode: "json" });
  const subscription = client.subscribe(quotes);
  await subscription.ready();
  await client.publish(quotes.at("market.xrp"), { bid: 0.51 }, { headers: { venue: "x" } });
  const { channel, data, meta } = await next(subscription);
  expect(channel).toBe("market.xrp");
  expect(data.bid).toBe(0.51);
  expect(meta?.headers).toEqual(new Map([["venue", "x"]]));
  expect(meta?.timeMs).toBeGreaterThan(1.7e12);
});

test("history, presence and ping answer", async () => {
  await using broker = await startBroker({ presence: true });
  await using client = await connect(broker.url);
  for (let i = 1; i <= 5; i++) await client.publish("h", i);
  const { publications, offset, epoch, complete } = await client.history("h", { limit: 2 });
  expect(publications.map(({ data }) => data)).toEqual([4, 5]);
  expect([offset, complete]).toEqual([5, true]);
  const since = await client.history("h", { since: { epoch, offset: 1 }, limit: 3 });
  expect(since.publications.map(({ data }) => data)).toEqual([2, 3, 4]);
  const member = client.subscribe("p", { presence: true });
  await member.ready();
  expect(await client.presence("p")).toEqual([{ connection: client.connection ?? "", user: null }]);
  expect((await client.ping()).rttMs).toBeGreaterThanOrEqual(0);
  expect(await refusal(client.history("h", { limit: -1 }))).toMatchObject({ code: "bad_field" });
});

test("one subscription is refused, the connection is not", async () => {
  await using broker = await startBroker({ maxSubscriptions: 1 });
  await using client = await connect(broker.url);
  await client.subscribe("a").ready();
  const second = client.subscribe("b");
  expect(await refusal(second.ready())).toMatchObject({ code: "channel_limit" });
  expect(client.state).toBe("connected");
});

test("through cuts and cuts, every publication arrives once and in order", async () => {
  await using broker = await startBroker();
  await using proxy = await FaultProxy.start(broker.port);
  await using publisher = await connect(broker.url);
  await using client = new TickwireClient(`ws://127.0.0.1:${proxy.port}`, { random: () => 0 });
  const exact = new Deliveries();
  const pattern = new Deliveries();
  const subscriptions = [
    client.subscribe("a", {}, exact.take),
    client.subscribe("m.*", {}, pattern.take),
  ];
  const gaps = subscriptions.map((subscription) => collect(subscription, "gap"));
  await Promise.all(subscriptions.map((subscription) => subscription.ready()));
  // A channel that a pattern has never brought cannot be caught up.
  for (let i = 0; i < 3; i++) await publisher.publish(`m.${i}`, "first");
  await pattern.count(3);
  const rounds = 15;
  const perRound = 20;
  for (let round = 0; round < rounds; round++) {
    const lost = once(client, "reconnecting");
    for (let i = 0; i < perRound; i++) {
      // Somewhere among these the connection is cut, with publications under way.
      if (i === round) proxy.resetAll();
      publisher.send("a", i);
      await publisher.publish(`m.${i % 3}`, i);
    }
    await lost;
    await client.ready();
  }
  const total = rounds * perRound;
  const expected = Array.from({ length: total }, (_, i) => `a:${i + 1}`);
  expect(await exact.count(total)).toEqual(expected);
  const channels = await pattern.count(total + 3);
  for (const name of ["m.0", "m.1", "m.2"]) {
    const own = channels.filter((entry) => entry.startsWith(`${name}:`));
    expect(own).toEqual(own.map((_, i) => `${name}:${i + 1}`));
  }
  expect(channels.length).toBe(total + 3);
  expect(gaps).toEqual([[], []]);
});

test("publications with ids survive cuts and are stored once", async () => {
  await using broker = await startBroker();
  await using proxy = await FaultProxy.start(broker.port);
  await using client = new TickwireClient(`ws://127.0.0.1:${proxy.port}`, { random: () => 0 });
  await using reader = await connect(broker.url);
  const results: Promise<{ offset: number }>[] = [];
  const publish = (count: number): void => {
    for (let i = 0; i < count; i++) {
      const number = results.length;
      results.push(client.publish("once", number, { id: `publication ${number}` }));
    }
  };
  for (let round = 0; round < 5; round++) {
    await client.ready();
    const before = proxy.forwardedBytes;
    publish(20);
    // On their way, and perhaps stored; whether the answers make it nobody knows.
    await proxy.until(({ forwardedBytes }) => forwardedBytes > before);
    const lost = once(client, "reconnecting");
    proxy.resetAll();
    publish(20);
    await lost;
  }
  const offsets = (await Promise.all(results)).map(({ offset }) => offset);
  expect(new Set(offsets).size).toBe(200);
  const { publications, offset } = await reader.history("once", { limit: 1000 });
  expect(offset).toBe(200);
  const values = publications.map(({ data }) => data as number);
  expect(values.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 200 }, (_, i) => i));
});

test("a draining broker hands its clients over without an error", async () => {
  const broker = await startBroker();
  await using proxy = await FaultProxy.start(broker.port);
  await using client = new TickwireClient(`ws://127.0.0.1:${proxy.port}`, { random: () => 0.5 });
  await client.ready();
  const errors = collect(client, "error");
  const reconnecting = once(client, "reconnecting");
  await broker.broker.drain(0);
  expect((await reconnecting).error.code).toBe("drain");
  expect(errors).toEqual([]);
});
