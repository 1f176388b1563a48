import { expect, test } from "bun:test";

import { Code } from "../../protocol/codes.ts";
import { collect, once } from "../support/client-events.ts";
import {
  answerSubscribe,
  connectedPair,
  Deliveries,
  publications,
  reconnected,
} from "../support/subscribed-client.ts";

/* What a subscription by name sees across reconnects: everything once and in order, or word of the gap. */

test("after a reconnect everything is subscribed again and goes on from its position", async () => {
  await using pair = await connectedPair();
  const deliveries = new Deliveries();
  const a = pair.client.subscribe("a", { recover: { last: 50 } }, deliveries.take);
  pair.client.subscribe("b", {}, deliveries.take);
  const subscribed = collect(a, "subscribed");
  const gaps = collect(a, "gap");
  await answerSubscribe(pair.connection, { offset: 3, count: 1 }, ...publications(1, 3, 4));
  await answerSubscribe(pair.connection, { channelId: 2, offset: 7 });
  await deliveries.count(2);

  const next = await reconnected(pair);
  const again = await answerSubscribe(
    next,
    { channelId: 9, offset: 6, recovered: true, count: 2 },
    ...publications(9, 5, 6, 7),
  );
  expect(again).toMatchObject({
    channel: "a",
    recover: { type: "position", position: { epoch: "e", offset: 4 } },
  });
  const other = await answerSubscribe(next, { channelId: 2, offset: 7, recovered: true });
  expect(other.recover).toEqual({ type: "position", position: { epoch: "e", offset: 7 } });
  next.send(...publications(2, 8));
  expect(await deliveries.count(6)).toEqual(["a:3", "a:4", "a:5", "a:6", "a:7", "b:8"]);
  expect(subscribed).toMatchObject([
    { recovered: true, count: 1 },
    { recovered: true, count: 2, position: { epoch: "e", offset: 6 } },
  ]);
  expect(gaps).toEqual([]);
  expect(next.messages[1]?.length).toBe(2);
});

test("what history no longer has is told as a gap", async () => {
  await using pair = await connectedPair();
  const deliveries = new Deliveries();
  const subscription = pair.client.subscribe("a", {}, deliveries.take);
  await answerSubscribe(pair.connection, {}, ...publications(1, 1, 2));
  await deliveries.count(2);
  const gap = once(subscription, "gap");
  const next = await reconnected(pair);
  const subscribed = once(subscription, "subscribed");
  await answerSubscribe(next, { offset: 90 }, ...publications(1, 91));
  expect(await gap).toEqual({ channel: "a", from: 3, to: 90, count: 88, reason: "trimmed" });
  expect(await subscribed).toMatchObject({ recovered: false, position: { offset: 90 } });
  expect(await deliveries.count(3)).toEqual(["a:1", "a:2", "a:91"]);
});

test("a new epoch begins anew, and what was missed cannot be known", async () => {
  await using pair = await connectedPair();
  const deliveries = new Deliveries();
  const subscription = pair.client.subscribe("a", {}, deliveries.take);
  await answerSubscribe(pair.connection, {}, ...publications(1, 1, 2));
  await deliveries.count(2);
  const gap = once(subscription, "gap");
  const next = await reconnected(pair);
  await answerSubscribe(next, { epoch: "f", offset: 0 }, ...publications(1, 1));
  const unknown = { from: null, to: null, count: null };
  expect(await gap).toEqual({ channel: "a", ...unknown, reason: "epoch_changed" });
  expect(await deliveries.count(3)).toEqual(["a:1", "a:2", "a:1"]);
  const third = await reconnected(pair, next);
  const { recover } = await answerSubscribe(third);
  expect(recover).toEqual({ type: "position", position: { epoch: "f", offset: 1 } });
});

test("an epoch that continues the one before loses nothing", async () => {
  await using pair = await connectedPair();
  const deliveries = new Deliveries();
  const subscription = pair.client.subscribe("a", {}, deliveries.take);
  const gaps = collect(subscription, "gap");
  await answerSubscribe(pair.connection, {}, ...publications(1, 1, 2));
  await deliveries.count(2);
  const next = await reconnected(pair);
  const result = { epoch: "f", offset: 3, recovered: true, count: 1 };
  await answerSubscribe(next, result, ...publications(1, 3, 4));
  expect(await deliveries.count(4)).toEqual(["a:1", "a:2", "a:3", "a:4"]);
  expect(gaps).toEqual([]);
});

test("a stream that went back in its epoch is told, and followed from there", async () => {
  await using pair = await connectedPair();
  const deliveries = new Deliveries();
  const subscription = pair.client.subscribe("a", {}, deliveries.take);
  await answerSubscribe(pair.connection, { offset: 8 }, ...publications(1, 9, 10));
  await deliveries.count(2);
  const gap = once(subscription, "gap");
  const next = await reconnected(pair);
  await answerSubscribe(next, { offset: 5 }, ...publications(1, 6));
  expect((await gap).reason).toBe("rewound");
  expect(await deliveries.count(3)).toEqual(["a:9", "a:10", "a:6"]);
});

test("the newest n are asked for again when none of them came", async () => {
  await using pair = await connectedPair();
  const deliveries = new Deliveries();
  pair.client.subscribe("a", { recover: { last: 2 } }, deliveries.take);
  // The answer says that two follow, and then the connection dies.
  await answerSubscribe(pair.connection, { offset: 9, count: 2 });
  const next = await reconnected(pair);
  const { recover } = await answerSubscribe(
    next,
    { offset: 9, count: 2 },
    ...publications(1, 8, 9),
  );
  expect(recover).toEqual({ type: "last", count: 2 });
  expect(await deliveries.count(2)).toEqual(["a:8", "a:9"]);
});

test("a position the broker will not go on from is given up, and nothing is delivered twice", async () => {
  await using pair = await connectedPair();
  const deliveries = new Deliveries();
  const subscription = pair.client.subscribe("a", { recover: { last: 2 } }, deliveries.take);
  await answerSubscribe(pair.connection, { offset: 9, count: 2 }, ...publications(1, 8, 9));
  await deliveries.count(2);
  const next = await reconnected(pair);
  const gap = once(subscription, "gap");
  const subscribed = once(subscription, "subscribed");
  next.fail((await next.next("subscribe")).id, Code.resync);
  expect((await gap).reason).toBe("resync");
  const { recover } = await answerSubscribe(next, { offset: 12 }, ...publications(1, 13));
  expect(recover).toEqual({ type: "none" });
  expect(await subscribed).toMatchObject({ recovered: false });
  expect(await deliveries.count(3)).toEqual(["a:8", "a:9", "a:13"]);
});

test("a connection that dies while it recovers continues where it stopped", async () => {
  await using pair = await connectedPair();
  const deliveries = new Deliveries();
  pair.client.subscribe("a", {}, deliveries.take);
  await answerSubscribe(pair.connection, {}, ...publications(1, 1));
  await deliveries.count(1);
  const second = await reconnected(pair);
  const result = { offset: 4, recovered: true, count: 3 };
  await answerSubscribe(second, result, ...publications(1, 2));
  await deliveries.count(2);
  const third = await reconnected(pair, second);
  const { recover } = await answerSubscribe(
    third,
    { ...result, count: 2 },
    ...publications(1, 3, 4, 5),
  );
  expect(recover).toEqual({ type: "position", position: { epoch: "e", offset: 2 } });
  expect(await deliveries.count(5)).toEqual(["a:1", "a:2", "a:3", "a:4", "a:5"]);
});

test("an offset skipped without a word is a loss: a new connection recovers it", async () => {
  await using pair = await connectedPair();
  const deliveries = new Deliveries();
  pair.client.subscribe("a", {}, deliveries.take);
  const error = once(pair.client, "error");
  await answerSubscribe(pair.connection, {}, ...publications(1, 1, 3, 4));
  expect(await error).toMatchObject({ code: "bad_frame" });
  expect((await error).message).toContain("skipped");
  const next = await pair.peer.accepted();
  const result = { offset: 4, recovered: true, count: 3 };
  await answerSubscribe(next, result, ...publications(1, 2, 3, 4));
  expect(await deliveries.count(4)).toEqual(["a:1", "a:2", "a:3", "a:4"]);
});
