import { expect, test } from "bun:test";

import { Code } from "../../protocol/codes.ts";
import { encodeUnsubscribed } from "../../protocol/messages/unsubscribe.ts";
import { collect, once, refusal } from "../support/client-events.ts";
import { ManualClock } from "../support/manual-clock.ts";
import {
  answerSubscribe,
  connectedPair,
  Deliveries,
  publications,
  readOffsets,
} from "../support/subscribed-client.ts";

/* Subscriptions the broker refuses or ends, for good or for now. */

test("a refusal for good ends the subscription and nothing else", async () => {
  await using pair = await connectedPair();
  const { client, connection } = pair;
  const refused = client.subscribe("secret");
  const unsubscribed = once(refused, "unsubscribed");
  connection.fail((await connection.next("subscribe")).id, Code.forbidden);
  expect(await refusal(refused.ready())).toMatchObject({ code: "forbidden", number: 4003 });
  expect(await unsubscribed).toMatchObject({ code: "forbidden" });
  expect(await refusal(readOffsets(refused, 1))).toMatchObject({ code: "forbidden" });
  const fine = client.subscribe("a");
  await answerSubscribe(connection);
  await fine.ready();
  // It may be tried anew.
  client.subscribe("secret");
  await connection.next("subscribe");
});

test("a refusal for now is tried again after what the broker asks for, with jitter", async () => {
  const clock = new ManualClock();
  await using pair = await connectedPair({ clock, random: () => 0.5 });
  const subscription = pair.client.subscribe("a");
  pair.connection.fail((await pair.connection.next("subscribe")).id, Code.unavailable, 2000);
  await clock.untilTimer(2500);
  clock.advance(2500);
  await answerSubscribe(pair.connection);
  await subscription.ready();
});

test("unsubscribing while it waits to try again ends that", async () => {
  const clock = new ManualClock();
  await using pair = await connectedPair({ clock, random: () => 0.5 });
  const subscription = pair.client.subscribe("a");
  pair.connection.fail((await pair.connection.next("subscribe")).id, Code.unavailable);
  await clock.untilTimer(500);
  subscription.unsubscribe();
  expect(clock.dueInMs).not.toContain(500);
});

test("a subscribe that is not answered in time gives the connection up", async () => {
  const clock = new ManualClock();
  await using pair = await connectedPair({ clock, requestTimeoutMs: 3000 });
  const error = once(pair.client, "error");
  const subscription = pair.client.subscribe("a");
  await pair.connection.next("subscribe");
  clock.advance(3000);
  expect((await error).code).toBe("request_timeout");
  clock.advance(0);
  await answerSubscribe(await pair.peer.accepted());
  await subscription.ready();
});

test("when the broker ends a subscription for good, its loop gets what came before, then the error", async () => {
  await using pair = await connectedPair();
  const subscription = pair.client.subscribe("a");
  const ended = once(subscription, "unsubscribed");
  const { code, name } = Code.forbidden;
  await answerSubscribe(
    pair.connection,
    {},
    ...publications(1, 1),
    encodeUnsubscribed({ channel: "a", code, name, message: "no more" }),
  );
  expect(await ended).toMatchObject({ code: "forbidden", message: "no more" });
  const iterator = subscription[Symbol.asyncIterator]();
  expect((await iterator.next()).value?.offset).toBe(1);
  expect(await refusal(iterator.next())).toMatchObject({ code: "forbidden" });
});

test("when the broker asks to subscribe anew, it is done from the position", async () => {
  await using pair = await connectedPair();
  const { client, connection } = pair;
  const deliveries = new Deliveries();
  const subscription = client.subscribe("a", {}, deliveries.take);
  const events = collect(subscription, "subscribed");
  const { code, name, text } = Code.resync;
  await answerSubscribe(
    connection,
    { offset: 4 },
    ...publications(1, 5),
    encodeUnsubscribed({ channel: "a", code, name, message: text }),
  );
  const result = { epoch: "f", offset: 6, recovered: true, count: 1 };
  const again = await answerSubscribe(connection, result, ...publications(1, 6, 7));
  expect(again.recover).toEqual({ type: "position", position: { epoch: "e", offset: 5 } });
  expect(await deliveries.count(3)).toEqual(["a:5", "a:6", "a:7"]);
  expect(events.map(({ recovered }) => recovered)).toEqual([true, true]);
});

test("a broker that says twice to subscribe anew is obeyed once", async () => {
  const clock = new ManualClock();
  await using pair = await connectedPair({ clock, random: () => 0.5 });
  const subscription = pair.client.subscribe("a");
  const { code, name } = Code.overloaded;
  const push = encodeUnsubscribed({ channel: "a", code, name, message: "later" });
  await answerSubscribe(pair.connection, {}, push, push);
  await clock.untilTimer(500);
  clock.advance(10_000);
  await answerSubscribe(pair.connection);
  await once(subscription, "subscribed");
  pair.client.send("marker", 1);
  await pair.connection.next("publish");
  expect(pair.connection.untaken).toEqual([]);
});
