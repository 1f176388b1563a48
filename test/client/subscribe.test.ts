import { expect, test } from "bun:test";

import { defineChannel, TickwireClient } from "../../client/index.ts";
import { Code } from "../../protocol/codes.ts";
import { encodeGap } from "../../protocol/messages/gap.ts";
import { historyResult } from "../../protocol/messages/history.ts";
import { EMPTY_META } from "../../protocol/messages/meta.ts";
import { encodePublication } from "../../protocol/messages/publication.ts";
import { collect, once, refusal, thrown } from "../support/client-events.ts";
import { ScriptedPeer } from "../support/scripted-peer.ts";
import {
  answerSubscribe,
  connectedPair,
  Deliveries,
  publications,
  readOffsets,
} from "../support/subscribed-client.ts";

/* A subscription to one channel, and reading its history. */

const NO_RECOVERY = { type: "none" } as const;

test("publications reach the callback, in order, with their place", async () => {
  await using pair = await connectedPair();
  const { client, connection } = pair;
  const deliveries = new Deliveries();
  const subscription = client.subscribe("a.b", {}, deliveries.take);
  const subscribed = once(subscription, "subscribed");
  const command = await answerSubscribe(connection, { offset: 4 }, ...publications(1, 5, 6));
  expect(command).toMatchObject({ channel: "a.b", recover: NO_RECOVERY, flags: 0 });
  await subscription.ready();
  expect(await subscribed).toEqual({
    recovered: true,
    position: { epoch: "e", offset: 4 },
    count: 0,
  });
  expect(await deliveries.count(2)).toEqual(["a.b:5", "a.b:6"]);
});

test("a subscription made before there is a connection is made with it", async () => {
  await using peer = new ScriptedPeer();
  await using client = new TickwireClient(peer.url);
  const subscription = client.subscribe("a");
  await answerSubscribe(await peer.accepted());
  await subscription.ready();
});

test("nothing is missed between subscribing and the loop", async () => {
  await using pair = await connectedPair();
  const subscription = pair.client.subscribe("a", { recover: { last: 3 } });
  const history = publications(1, 7, 8, 9);
  const { recover } = await answerSubscribe(pair.connection, { offset: 9, count: 3 }, ...history);
  expect(recover).toEqual({ type: "last", count: 3 });
  await subscription.ready();
  pair.connection.send(...publications(1, 10));
  expect(await readOffsets(subscription, 2)).toEqual([7, 8]);
  // The next loop goes on where the first stopped.
  expect(await readOffsets(subscription, 2)).toEqual([9, 10]);
});

test("data is read in the way that was asked for", async () => {
  await using pair = await connectedPair();
  const { client, connection } = pair;
  const json = defineChannel<{ x: number }>("json", { decode: "json" });
  const subscriptions = [
    client.subscribe("value"),
    client.subscribe("text", { decode: "text" }),
    client.subscribe("bytes", { decode: "bytes" }),
    client.subscribe(json),
    client.subscribe("own", { decode: (bytes) => bytes.length }),
  ];
  const payload = new TextEncoder().encode('{"x":1}');
  for (let channelId = 1; channelId <= 5; channelId++) {
    await answerSubscribe(
      connection,
      { channelId },
      encodePublication({
        channelId,
        offset: 1,
        payload: channelId === 1 ? Uint8Array.fromHex("81a17801") : payload,
        meta: channelId === 2 ? { ...EMPTY_META, user: "ann" } : null,
      }),
    );
  }
  const data: unknown[] = [];
  const metas: unknown[] = [];
  for (const subscription of subscriptions) {
    const { value } = await subscription[Symbol.asyncIterator]().next();
    data.push(value?.data);
    metas.push(value?.meta?.user);
  }
  expect(data).toEqual([{ x: 1 }, '{"x":1}', payload, { x: 1 }, 7]);
  expect(metas).toEqual([undefined, "ann", undefined, undefined, undefined]);
});

test("a payload that cannot be decoded does not end the stream", async () => {
  await using pair = await connectedPair();
  const subscription = pair.client.subscribe("a", { decode: "json" });
  await answerSubscribe(pair.connection, {}, ...publications(1, 1, 0x31));
  const iterator = subscription[Symbol.asyncIterator]();
  const bad = (await iterator.next()).value;
  expect(thrown(() => bad?.data).code).toBe("decode_failed");
  expect(bad?.bytes).toEqual(Uint8Array.of(1));
});

test("a callback that throws is told, and the next publication comes", async () => {
  await using pair = await connectedPair();
  const errors = collect(pair.client, "error");
  const deliveries = new Deliveries();
  pair.client.subscribe("a", {}, (publication) => {
    deliveries.take(publication);
    if (publication.offset === 1) throw new Error("mine");
  });
  await answerSubscribe(pair.connection, {}, ...publications(1, 1, 2));
  expect(await deliveries.count(2)).toEqual(["a:1", "a:2"]);
  expect(errors).toMatchObject([{ code: "listener_failed", cause: new Error("mine") }]);
});

test("a position of the application is where it starts", async () => {
  await using pair = await connectedPair();
  const deliveries = new Deliveries();
  const recover = { epoch: "e", offset: 40 };
  const subscription = pair.client.subscribe("a", { recover }, deliveries.take);
  const subscribed = once(subscription, "subscribed");
  const result = { offset: 42, recovered: true, count: 2 };
  const command = await answerSubscribe(pair.connection, result, ...publications(1, 41, 42, 43));
  expect(command.recover).toEqual({ type: "position", position: recover });
  expect(await deliveries.count(3)).toEqual(["a:41", "a:42", "a:43"]);
  expect(await subscribed).toMatchObject({ recovered: true, count: 2 });
});

test("an offset that was delivered is not delivered again", async () => {
  await using pair = await connectedPair();
  const deliveries = new Deliveries();
  pair.client.subscribe("a", {}, deliveries.take);
  await answerSubscribe(pair.connection, { offset: 3 }, ...publications(1, 3, 4, 4, 2, 5));
  expect(await deliveries.count(2)).toEqual(["a:4", "a:5"]);
});

test("what the broker leaves out is told, and what follows is in order", async () => {
  await using pair = await connectedPair();
  const deliveries = new Deliveries();
  const subscription = pair.client.subscribe("a", {}, deliveries.take);
  const gaps = collect(subscription, "gap");
  const gap = encodeGap({ channelId: 1, from: 2, to: 9, reason: "slow", count: 8 });
  await answerSubscribe(pair.connection, {}, ...publications(1, 1), gap, ...publications(1, 10));
  expect(await deliveries.count(2)).toEqual(["a:1", "a:10"]);
  expect(gaps).toEqual([{ channel: "a", from: 2, to: 9, count: 8, reason: "slow" }]);
});

test("a loop that does not keep up loses the oldest, and is told", async () => {
  await using pair = await connectedPair();
  const subscription = pair.client.subscribe("a", { maxQueued: 8 });
  const gaps = collect(subscription, "gap");
  const offsets = Array.from({ length: 10 }, (_, i) => i + 1);
  await answerSubscribe(pair.connection, {}, ...publications(1, ...offsets));
  await subscription.ready();
  expect(subscription.droppedCount).toBe(2);
  expect(subscription.queuedCount).toBe(8);
  const reason = "consumer_too_slow";
  expect(gaps).toEqual([
    { channel: "a", from: 1, to: 1, count: 1, reason },
    { channel: "a", from: 2, to: 2, count: 1, reason },
  ]);
  expect(await readOffsets(subscription, 8)).toEqual([3, 4, 5, 6, 7, 8, 9, 10]);
});

test("a callback needs no queue", async () => {
  await using pair = await connectedPair();
  const deliveries = new Deliveries();
  const subscription = pair.client.subscribe("a", { maxQueued: 1 }, deliveries.take);
  await answerSubscribe(pair.connection, {}, ...publications(1, 1, 2, 3));
  await deliveries.count(3);
  expect(subscription.queuedCount).toBe(0);
  expect(subscription.droppedCount).toBe(0);
});

test("bad input is refused at once", async () => {
  await using pair = await connectedPair();
  const { client } = pair;
  expect(thrown(() => client.subscribe("a b")).code).toBe("bad_channel");
  expect(thrown(() => client.subscribe("a.*", { recover: { last: 1 } })).code).toBe("bad_argument");
  expect(thrown(() => client.subscribe("a", { maxQueued: 0 })).code).toBe("bad_argument");
});

test("many subscriptions of one moment are one message", async () => {
  await using pair = await connectedPair();
  const { client, connection } = pair;
  const subscriptions = Array.from({ length: 50 }, (_, i) => client.subscribe(`c.${i}`));
  for (let i = 0; i < 50; i++) await answerSubscribe(connection, { channelId: i + 1 });
  await Promise.all(subscriptions.map((subscription) => subscription.ready()));
  expect(connection.messages.length).toBe(2);
});

test("history gives publications, decoded as asked, and where the channel stands", async () => {
  await using pair = await connectedPair();
  const { client, connection } = pair;
  const since = { epoch: "e", offset: 4 };
  const reading = client.history("a", { limit: 2, since, decode: "bytes" });
  const command = await connection.next("history");
  expect(command).toMatchObject({ channel: "a", limit: 2, since });
  const items = [5, 6].map((offset) => ({ offset, payload: Uint8Array.of(offset), meta: null }));
  connection.ok(
    command.id,
    historyResult({ epoch: "e", offset: 9, complete: false, publications: items }),
  );
  const { publications: read, ...rest } = await reading;
  expect(rest).toEqual({ epoch: "e", offset: 9, complete: false });
  expect(read.map(({ channel, offset, epoch, data }) => [channel, offset, epoch, data])).toEqual([
    ["a", 5, "e", Uint8Array.of(5)],
    ["a", 6, "e", Uint8Array.of(6)],
  ]);
  const refused = refusal(client.history("b"));
  connection.fail((await connection.next("history")).id, Code.disabled);
  expect(await refused).toMatchObject({ code: "disabled" });
  expect(await refusal(client.history("a.*"))).toMatchObject({ code: "bad_channel" });
});
