import { expect, test } from "bun:test";

import { historyResult } from "../../protocol/messages/history.ts";
import { encodePresencePush } from "../../protocol/messages/presence.ts";
import { SubscribeFlag } from "../../protocol/messages/subscribe.ts";
import { collect, once, refusal } from "../support/client-events.ts";
import {
  answerSubscribe,
  connectedPair,
  Deliveries,
  publications,
  subscribedFrame,
} from "../support/subscribed-client.ts";

/* Several subscriptions of one client to one name: the broker sees one. */

test("subscriptions with one name share one at the broker, until the last is gone", async () => {
  await using pair = await connectedPair();
  const { client, connection } = pair;
  const first = new Deliveries();
  const second = new Deliveries();
  const a = client.subscribe("a", {}, first.take);
  await answerSubscribe(connection, {}, ...publications(1, 1));
  await first.count(1);
  const b = client.subscribe("a", {}, second.take);
  expect(await once(b, "subscribed")).toMatchObject({ recovered: true, count: 0 });
  connection.send(...publications(1, 2));
  await second.count(1);
  a.unsubscribe();
  connection.send(...publications(1, 3));
  expect(await second.count(2)).toEqual(["a:2", "a:3"]);
  expect(first.got).toEqual(["a:1", "a:2"]);
  b.unsubscribe();
  b.unsubscribe();
  expect(await connection.next("unsubscribe")).toMatchObject({ channel: "a" });
  expect(connection.untaken).toEqual([]);
});

test("after unsubscribing nothing is delivered, and loops finish after what they have", async () => {
  await using pair = await connectedPair();
  const { client, connection } = pair;
  const subscription = client.subscribe("a");
  await answerSubscribe(connection, {}, ...publications(1, 1, 2));
  await subscription.ready();
  subscription.unsubscribe();
  await connection.next("unsubscribe");
  connection.send(...publications(1, 3));
  const offsets: number[] = [];
  for await (const { offset } of subscription) offsets.push(offset);
  expect(offsets).toEqual([1, 2]);
});

test("unsubscribing before the answer ends it, and ready says so", async () => {
  await using pair = await connectedPair();
  const { client, connection } = pair;
  const subscription = client.subscribe("a");
  const { id } = await connection.next("subscribe");
  subscription.unsubscribe();
  expect(await refusal(subscription.ready())).toMatchObject({ code: "closed" });
  const deliveries = new Deliveries();
  const again = client.subscribe("a", {}, deliveries.take);
  const errors = collect(client, "error");
  await connection.next("unsubscribe");
  // The answer to the first is not taken for that to the second.
  connection.send(subscribedFrame(id, { channelId: 1, offset: 5 }));
  await answerSubscribe(connection, { channelId: 1, offset: 9 }, ...publications(1, 10));
  expect(await once(again, "subscribed")).toMatchObject({ position: { offset: 9 } });
  expect(await deliveries.count(1)).toEqual(["a:10"]);
  expect(errors).toEqual([]);
});

test("a subscription made by a listener of another is welcomed once", async () => {
  await using pair = await connectedPair();
  const { client, connection } = pair;
  const events: unknown[] = [];
  const deliveries = new Deliveries();
  client.subscribe("a").on("subscribed", () => {
    client.subscribe("a", {}, deliveries.take).on("subscribed", (event) => events.push(event));
  });
  await answerSubscribe(connection);
  connection.send(...publications(1, 1));
  expect(await deliveries.count(1)).toEqual(["a:1"]);
  expect(events.length).toBe(1);
});

test("a callback that ends another subscription spares it this publication", async () => {
  await using pair = await connectedPair();
  const { client, connection } = pair;
  const first = new Deliveries();
  const second = new Deliveries();
  client.subscribe("a", {}, (publication) => {
    first.take(publication);
    other.unsubscribe();
  });
  const other = client.subscribe("a", {}, second.take);
  await answerSubscribe(connection, {}, ...publications(1, 1, 2));
  await first.count(2);
  expect(second.got).toEqual([]);
});

test("a second subscription reads the history it wants by itself, before live ones", async () => {
  await using pair = await connectedPair();
  const { client, connection } = pair;
  const first = new Deliveries();
  client.subscribe("a", {}, first.take);
  await answerSubscribe(connection, { offset: 7 }, ...publications(1, 8));
  await first.count(1);
  const second = new Deliveries();
  const late = client.subscribe("a", { recover: { last: 2 } }, second.take);
  const subscribed = once(late, "subscribed");
  const { id, limit, since } = await connection.next("history");
  expect({ limit, since }).toEqual({ limit: 2, since: null });
  // Live ones overtake the answer: 9 is in it, 10 is not.
  connection.send(...publications(1, 9, 10));
  await first.count(3);
  expect(second.got).toEqual([]);
  const items = [8, 9].map((offset) => ({ offset, payload: Uint8Array.of(1), meta: null }));
  connection.ok(id, historyResult({ epoch: "e", offset: 9, complete: true, publications: items }));
  expect(await second.count(3)).toEqual(["a:8", "a:9", "a:10"]);
  expect(await subscribed).toEqual({
    recovered: true,
    position: { epoch: "e", offset: 9 },
    count: 2,
  });
  expect(first.got).toEqual(["a:8", "a:9", "a:10"]);
});

test("history that goes back before the position is not delivered", async () => {
  await using pair = await connectedPair();
  const { client, connection } = pair;
  await Promise.all([client.subscribe("a").ready(), answerSubscribe(connection, { offset: 9 })]);
  const deliveries = new Deliveries();
  const recover = { epoch: "e", offset: 7 };
  const late = client.subscribe("a", { recover }, deliveries.take);
  const subscribed = once(late, "subscribed");
  const { id } = await connection.next("history");
  const items = [6, 7, 8, 9].map((offset) => ({ offset, payload: Uint8Array.of(1), meta: null }));
  connection.ok(id, historyResult({ epoch: "e", offset: 9, complete: true, publications: items }));
  expect(await subscribed).toMatchObject({ recovered: true, count: 2 });
  expect(deliveries.got).toEqual(["a:8", "a:9"]);
});

test("history asked for by one is not given to another of the same moment", async () => {
  await using pair = await connectedPair();
  const { client, connection } = pair;
  const wants = new Deliveries();
  const other = new Deliveries();
  client.subscribe("a", { recover: { last: 2 } }, wants.take);
  client.subscribe("a", {}, other.take);
  await answerSubscribe(connection, { offset: 5, count: 2 }, ...publications(1, 4, 5, 6));
  expect(await wants.count(3)).toEqual(["a:4", "a:5", "a:6"]);
  expect(other.got).toEqual(["a:6"]);
});

test("presence flags are asked for, and joins and leaves are told to who wants them", async () => {
  await using pair = await connectedPair();
  const { client, connection } = pair;
  const all = client.subscribe("a", { presence: true, joinLeave: true });
  const joins = collect(all, "join");
  const left = once(all, "leave");
  const { flags } = await answerSubscribe(connection);
  expect(flags).toBe(SubscribeFlag.presence | SubscribeFlag.joinLeave);
  await all.ready();
  const quiet = client.subscribe("a");
  await quiet.ready();
  const none = collect(quiet, "join");
  const ann = { channelId: 1, connection: "c_2", user: "ann" };
  connection.send(
    encodePresencePush({ type: "join", ...ann }),
    encodePresencePush({ type: "leave", ...ann }),
  );
  expect(await left).toEqual({ channel: "a", connection: "c_2", user: "ann" });
  expect(joins).toEqual([{ channel: "a", connection: "c_2", user: "ann" }]);
  expect(none).toEqual([]);
});

test("a further wish changes the subscription at the broker, and loses nothing", async () => {
  await using pair = await connectedPair();
  const { client, connection } = pair;
  const deliveries = new Deliveries();
  client.subscribe("a", {}, deliveries.take);
  await answerSubscribe(connection, { offset: 3 }, ...publications(1, 4));
  await deliveries.count(1);
  client.subscribe("a", { joinLeave: true });
  await connection.next("unsubscribe");
  const result = { offset: 6, recovered: true, count: 2 };
  const again = await answerSubscribe(connection, result, ...publications(1, 5, 6, 7));
  expect(again).toMatchObject({
    flags: SubscribeFlag.joinLeave,
    recover: { type: "position", position: { epoch: "e", offset: 4 } },
  });
  expect(await deliveries.count(4)).toEqual(["a:4", "a:5", "a:6", "a:7"]);
});
