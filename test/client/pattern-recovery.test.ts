import { expect, test } from "bun:test";

import type { Publication, Subscription } from "../../client/index.ts";
import { Code } from "../../protocol/codes.ts";
import { historyResult } from "../../protocol/messages/history.ts";
import { collect, once } from "../support/client-events.ts";
import { ManualClock } from "../support/manual-clock.ts";
import type { PeerConnection } from "../support/scripted-peer.ts";
import {
  answerHistory,
  answerSubscribe,
  connectedPair,
  Deliveries,
  items,
  patternFrame,
  publications,
  reconnected,
} from "../support/subscribed-client.ts";
import type { Pair } from "../support/subscribed-client.ts";

/* Subscriptions by pattern across reconnects: known channels are caught up from history. */

/** Subscribes to `m.*` with channels m.a at 2 and m.b at 5, and reconnects. */
async function patternReconnected(
  pair: Pair,
  deliveries: Deliveries,
  onPublication: (publication: Publication) => void = deliveries.take,
): Promise<{ next: PeerConnection; subscription: Subscription }> {
  const subscription = pair.client.subscribe("m.*", {}, onPublication);
  pair.connection.send(
    patternFrame((await pair.connection.next("subscribe")).id),
    [37, 1, "m.a", "e", 1],
    ...publications(1, 2),
    [37, 2, "m.b", "e", 4],
    ...publications(2, 5),
  );
  await deliveries.count(2);
  return { next: await reconnected(pair), subscription };
}

test("under a pattern each known channel is caught up from history, before its live ones", async () => {
  await using pair = await connectedPair();
  const deliveries = new Deliveries();
  const { next, subscription } = await patternReconnected(pair, deliveries);
  const subscribed = once(subscription, "subscribed");
  const gaps = collect(subscription, "gap");
  next.send(patternFrame((await next.next("subscribe")).id));
  const first = await next.next("history");
  const second = await next.next("history");
  expect([first, second]).toMatchObject([
    { channel: "m.a", since: { epoch: "e", offset: 2 } },
    { channel: "m.b", since: { epoch: "e", offset: 5 } },
  ]);
  // Live ones of both, and of a new channel, come before the answers.
  next.send(
    [37, 11, "m.a", "e", 4],
    ...publications(11, 5),
    [37, 12, "m.b", "e", 5],
    ...publications(12, 6),
    [37, 13, "m.c", "e", 0],
    ...publications(13, 1),
  );
  expect((await deliveries.count(3))[2]).toBe("m.c:1");
  next.ok(
    first.id,
    historyResult({ epoch: "e", offset: 5, complete: true, publications: items(3, 4, 5) }),
  );
  expect((await deliveries.count(6)).slice(3)).toEqual(["m.a:3", "m.a:4", "m.a:5"]);
  next.ok(second.id, historyResult({ epoch: "e", offset: 5, complete: true, publications: [] }));
  expect((await deliveries.count(7))[6]).toBe("m.b:6");
  expect(await subscribed).toEqual({ recovered: true, position: null, count: 3 });
  expect(gaps).toEqual([]);
});

test("history longer than one answer is read on", async () => {
  await using pair = await connectedPair();
  const deliveries = new Deliveries();
  const { next, subscription } = await patternReconnected(pair, deliveries);
  next.send(patternFrame((await next.next("subscribe")).id));
  const subscribed = once(subscription, "subscribed");
  expect(await answerHistory(next, { offset: 6, publications: items(3, 4) })).toMatchObject({
    channel: "m.a",
  });
  await answerHistory(next, { offset: 5, publications: [] });
  expect(await answerHistory(next, { offset: 6, publications: items(5, 6) })).toEqual({
    channel: "m.a",
    since: { epoch: "e", offset: 4 },
  });
  expect(await subscribed).toMatchObject({ recovered: true, count: 4 });
  expect(deliveries.got.slice(2)).toEqual(["m.a:3", "m.a:4", "m.a:5", "m.a:6"]);
});

test("unsubscribing in the middle of it ends the reading", async () => {
  await using pair = await connectedPair();
  const deliveries = new Deliveries();
  const { next, subscription } = await patternReconnected(pair, deliveries, (publication) => {
    deliveries.take(publication);
    if (publication.offset === 3) subscription.unsubscribe();
  });
  const other = pair.client.subscribe("other", {}, deliveries.take);
  next.send(patternFrame((await next.next("subscribe")).id));
  await answerSubscribe(next, { channelId: 5 });
  await other.ready();
  const { id } = await next.next("history");
  await next.next("history");
  next.ok(id, historyResult({ epoch: "e", offset: 90, complete: true, publications: items(3, 4) }));
  await next.next("unsubscribe");
  next.send(...publications(5, 1));
  expect((await deliveries.count(4)).slice(2)).toEqual(["m.a:3", "other:1"]);
  pair.client.send("marker", 1);
  await next.next("publish");
  expect(next.untaken).toEqual([]);
});

test("a channel whose history is trimmed or off is told of, the others are whole", async () => {
  await using pair = await connectedPair();
  const deliveries = new Deliveries();
  const { next, subscription } = await patternReconnected(pair, deliveries);
  const gaps = collect(subscription, "gap");
  const subscribed = once(subscription, "subscribed");
  next.send(patternFrame((await next.next("subscribe")).id));
  const a = await next.next("history");
  const b = await next.next("history");
  next.ok(
    a.id,
    historyResult({ epoch: "e", offset: 9, complete: false, publications: items(8, 9) }),
  );
  next.fail(b.id, Code.disabled);
  expect(await subscribed).toMatchObject({ recovered: false, count: 2 });
  next.send([37, 12, "m.b", "e", 6], ...publications(12, 7));
  expect((await deliveries.count(5)).slice(2)).toEqual(["m.a:8", "m.a:9", "m.b:7"]);
  expect(gaps).toEqual([
    { channel: "m.a", from: 3, to: 7, count: 5, reason: "trimmed" },
    { channel: "m.b", from: 6, to: 6, count: 1, reason: "trimmed" },
  ]);
});

test("a channel under a pattern whose epoch is another begins anew", async () => {
  await using pair = await connectedPair();
  const deliveries = new Deliveries();
  const { next, subscription } = await patternReconnected(pair, deliveries);
  const gaps = collect(subscription, "gap");
  const subscribed = once(subscription, "subscribed");
  next.send(patternFrame((await next.next("subscribe")).id));
  const a = await next.next("history");
  const b = await next.next("history");
  next.send([37, 11, "m.a", "f", 2], ...publications(11, 3));
  next.ok(
    a.id,
    historyResult({ epoch: "f", offset: 2, complete: false, publications: items(1, 2) }),
  );
  // This one continues the epoch before: the broker says so by calling it complete.
  next.ok(b.id, historyResult({ epoch: "g", offset: 6, complete: true, publications: items(6) }));
  next.send([37, 12, "m.b", "g", 6], ...publications(12, 7));
  expect(await subscribed).toMatchObject({ recovered: false, count: 3 });
  expect((await deliveries.count(7)).slice(2)).toEqual([
    "m.a:1",
    "m.a:2",
    "m.a:3",
    "m.b:6",
    "m.b:7",
  ]);
  expect(gaps.map(({ channel, reason }) => [channel, reason])).toEqual([["m.a", "epoch_changed"]]);
});

test("an announcement that only renames the epoch of a channel that is followed is no gap", async () => {
  await using pair = await connectedPair();
  const deliveries = new Deliveries();
  const subscription = pair.client.subscribe("m.*", {}, deliveries.take);
  const gaps = collect(subscription, "gap");
  pair.connection.send(
    patternFrame((await pair.connection.next("subscribe")).id),
    [37, 1, "m.a", "e", 1],
    ...publications(1, 2),
    [37, 1, "m.a", "f", 2],
    ...publications(1, 3),
    [37, 2, "m.a", "g", 0],
    ...publications(2, 1),
  );
  expect(await deliveries.count(3)).toEqual(["m.a:2", "m.a:3", "m.a:1"]);
  expect(gaps.map(({ reason }) => reason)).toEqual(["epoch_changed"]);
});

test("a channel first heard of after a reconnect may have a past, and that is told", async () => {
  await using pair = await connectedPair();
  const deliveries = new Deliveries();
  const subscription = pair.client.subscribe("m.*", {}, deliveries.take);
  const gaps = collect(subscription, "gap");
  // On the first connection it is no loss: the subscription began after it.
  pair.connection.send(
    patternFrame((await pair.connection.next("subscribe")).id),
    [37, 1, "m.old", "e", 7],
    ...publications(1, 8),
  );
  await deliveries.count(1);
  expect(gaps).toEqual([]);
  const next = await reconnected(pair);
  next.send(
    patternFrame((await next.next("subscribe")).id),
    [37, 2, "m.late", "e", 3],
    ...publications(2, 4),
    [37, 3, "m.fresh", "e", 0],
    ...publications(3, 1),
  );
  expect((await deliveries.count(3)).slice(1)).toEqual(["m.late:4", "m.fresh:1"]);
  const unknown = { from: null, to: null, count: null };
  expect(gaps).toEqual([{ channel: "m.late", ...unknown, reason: "unknown_past" }]);
});

test("a history command over the rate limit is asked again", async () => {
  const clock = new ManualClock();
  await using pair = await connectedPair({ clock });
  const deliveries = new Deliveries();
  const subscription = pair.client.subscribe("m.*", {}, deliveries.take);
  pair.connection.send(
    patternFrame((await pair.connection.next("subscribe")).id),
    [37, 1, "m.a", "e", 0],
    ...publications(1, 1),
  );
  await deliveries.count(1);
  const lost = once(pair.client, "reconnecting");
  pair.connection.cut();
  await lost;
  clock.advance(0);
  const next = await pair.peer.accepted();
  next.send(patternFrame((await next.next("subscribe")).id));
  next.fail((await next.next("history")).id, Code.tooManyRequests, 300);
  await clock.untilTimer(300);
  const subscribed = once(subscription, "subscribed");
  clock.advance(300);
  await answerHistory(next, { offset: 2, publications: items(2) });
  expect(await subscribed).toEqual({ recovered: true, position: null, count: 1 });
  expect(deliveries.got).toEqual(["m.a:1", "m.a:2"]);
});

test("a connection that dies during a catch-up starts it over on the next", async () => {
  await using pair = await connectedPair();
  const deliveries = new Deliveries();
  const { next } = await patternReconnected(pair, deliveries);
  next.send(patternFrame((await next.next("subscribe")).id));
  await next.next("history");
  // Held back, and never delivered: the third connection brings it again.
  next.send([37, 11, "m.a", "e", 2], ...publications(11, 3));
  const third = await reconnected(pair, next);
  third.send(patternFrame((await third.next("subscribe")).id));
  expect(await answerHistory(third, { offset: 3, publications: items(3) })).toEqual({
    channel: "m.a",
    since: { epoch: "e", offset: 2 },
  });
  expect((await deliveries.count(3))[2]).toBe("m.a:3");
});

test("history that could not be asked for before the connection died is asked for on the next", async () => {
  await using pair = await connectedPair();
  const deliveries = new Deliveries();
  const { next } = await patternReconnected(pair, deliveries);
  next.send(patternFrame((await next.next("subscribe")).id));
  for (let i = 0; i < 2; i++) await answerHistory(next, { offset: 2, publications: [] });
  const exact = new Deliveries();
  pair.client.subscribe("m.a", { recover: { last: 2 } }, exact.take);
  await next.next("subscribe");
  next.send([37, 11, "m.a", "e", 2], ...publications(11, 3));
  await deliveries.count(3);
  const third = await reconnected(pair, next);
  third.send(patternFrame((await third.next("subscribe")).id));
  await answerSubscribe(third, { channelId: 1, offset: 3, recovered: true });
  await answerHistory(third, { offset: 5, publications: [] });
  const { id, limit } = await third.next("history");
  expect(limit).toBe(2);
  third.ok(id, historyResult({ epoch: "e", offset: 3, complete: true, publications: items(2, 3) }));
  expect(await exact.count(2)).toEqual(["m.a:2", "m.a:3"]);
});

test("a channel subscribed by name is left to the broker, not to the pattern's catch-up", async () => {
  await using pair = await connectedPair();
  const exact = new Deliveries();
  const pattern = new Deliveries();
  pair.client.subscribe("m.a", {}, exact.take);
  pair.client.subscribe("m.*", {}, pattern.take);
  await answerSubscribe(pair.connection, {}, ...publications(1, 1));
  pair.connection.send(patternFrame((await pair.connection.next("subscribe")).id));
  await pattern.count(1);
  const next = await reconnected(pair);
  await answerSubscribe(next, { offset: 2, recovered: true, count: 1 }, ...publications(1, 2));
  const { id } = await next.next("subscribe");
  next.send(patternFrame(id), ...publications(1, 3));
  expect(await exact.count(3)).toEqual(["m.a:1", "m.a:2", "m.a:3"]);
  expect(await pattern.count(3)).toEqual(["m.a:1", "m.a:2", "m.a:3"]);
  expect(next.untaken).toEqual([]);
});

test("of many channels under a pattern the ones used last are remembered, and the rest is owned up to", async () => {
  await using pair = await connectedPair();
  const deliveries = new Deliveries();
  const subscription = pair.client.subscribe("m.*", {}, deliveries.take);
  const { id } = await pair.connection.next("subscribe");
  const announced = Array.from({ length: 1100 }, (_, i) => i + 1);
  pair.connection.send(
    patternFrame(id),
    ...announced.flatMap((i) => [[37, i, `m.${i}`, "e", 0] as const, ...publications(i, 1)]),
  );
  await deliveries.count(1100);
  const next = await reconnected(pair);
  const subscribed = once(subscription, "subscribed");
  next.send(patternFrame((await next.next("subscribe")).id));
  const channels = new Set<string>();
  for (let i = 0; i < 1024; i++) {
    const { channel } = await answerHistory(next, { offset: 1, publications: [] });
    channels.add(channel);
  }
  expect(channels.size).toBe(1024);
  expect(channels.has("m.1100")).toBe(true);
  expect(channels.has("m.1")).toBe(false);
  expect(await subscribed).toEqual({ recovered: false, position: null, count: 0 });
  expect(next.untaken).toEqual([]);
  // Some are out at a time, not all.
  const largest = Math.max(...next.messages.map((message) => message.length));
  expect(largest).toBeLessThanOrEqual(32);
});

test("more live ones than may be held end a catch-up, and nothing of them is lost", async () => {
  await using pair = await connectedPair();
  const deliveries = new Deliveries();
  const { next, subscription } = await patternReconnected(pair, deliveries);
  const gaps = collect(subscription, "gap");
  next.send(patternFrame((await next.next("subscribe")).id));
  const { id } = await next.next("history");
  const offsets = Array.from({ length: 10_001 }, (_, i) => i + 11);
  next.send([37, 11, "m.a", "e", 10], ...publications(11, ...offsets));
  await deliveries.count(2 + 10_001);
  expect(deliveries.got.slice(2)).toEqual(offsets.map((offset) => `m.a:${offset}`));
  expect(gaps).toEqual([{ channel: "m.a", from: 3, to: 10, count: 8, reason: "trimmed" }]);
  // The answer comes too late to be of use.
  next.ok(id, historyResult({ epoch: "e", offset: 4, complete: true, publications: items(3, 4) }));
  next.send(...publications(11, 10_012));
  expect((await deliveries.count(10_004)).at(-1)).toBe("m.a:10012");
});
