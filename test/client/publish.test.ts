import { expect, test } from "bun:test";

import { defineChannel } from "../../client/index.ts";
import { Code } from "../../protocol/codes.ts";
import { EMPTY_META } from "../../protocol/messages/meta.ts";
import { once, refusal, thrown } from "../support/client-events.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { connectedPair } from "../support/subscribed-client.ts";

/* Publishing on a connection: encoding, batching, answers. */

const utf8 = new TextEncoder();

test("what is published in one tick is one message, and each answer finds its promise", async () => {
  await using pair = await connectedPair();
  const { client, connection } = pair;
  const published = [1, 2, 3].map((i) => client.publish("a", Uint8Array.of(i)));
  client.send("b", Uint8Array.of(4));
  for (let i = 1; i <= 3; i++) {
    expect((await connection.next("publish")).payload).toEqual(Uint8Array.of(i));
  }
  const [, message = []] = connection.messages;
  expect(message.length).toBe(4);
  expect(message[3]).toMatchObject({ type: "publish", id: 0, channel: "b" });
  for (const [i, { id }] of message.slice(0, 3).entries()) connection.ok(id, [i + 10, "e"]);
  expect(await Promise.all(published)).toEqual([
    { offset: 10, epoch: "e" },
    { offset: 11, epoch: "e" },
    { offset: 12, epoch: "e" },
  ]);
});

test("messages stay within what the broker takes", async () => {
  await using pair = await connectedPair({}, { limits: { maxMessageBytes: 2000 } });
  const { client, connection } = pair;
  for (let i = 0; i < 50; i++) client.send("a", new Uint8Array(180));
  for (let i = 0; i < 50; i++) await connection.next("publish");
  expect(connection.messages.slice(1).map((message) => message.length)).toEqual([
    10, 10, 10, 10, 10,
  ]);
});

test("values are msgpack, bytes are bytes, and other encodings are asked for", async () => {
  await using pair = await connectedPair();
  const { client, connection } = pair;
  client.send("a", { x: 1 });
  client.send("a", Uint8Array.of(9));
  client.send("a", { x: 1 }, { encode: "json" });
  client.send("a", "grüß", { encode: "text" });
  client.send("a", 7, { encode: (value) => Uint8Array.of(value + 1) });
  const typed = defineChannel<string>("typed", { encode: "json" });
  client.send(typed, "x");
  const payloads: Uint8Array[] = [];
  for (let i = 0; i < 6; i++) payloads.push((await connection.next("publish")).payload);
  expect(payloads).toEqual([
    Uint8Array.fromHex("81a17801"),
    Uint8Array.of(9),
    utf8.encode('{"x":1}'),
    utf8.encode("grüß"),
    Uint8Array.of(8),
    utf8.encode('"x"'),
  ]);
});

test("the application may change its bytes right after the call", async () => {
  await using pair = await connectedPair();
  const { client, connection } = pair;
  const bytes = Uint8Array.of(1, 2, 3);
  client.send("a", bytes);
  client.send("a", bytes, { id: "with meta" });
  bytes.fill(0);
  for (let i = 0; i < 2; i++) {
    expect((await connection.next("publish")).payload).toEqual(Uint8Array.of(1, 2, 3));
  }
});

test("options travel in the meta field", async () => {
  await using pair = await connectedPair();
  const { client, connection } = pair;
  const traceparent = `00-${"ab".repeat(16)}-${"cd".repeat(8)}-01`;
  client.send("a", ["payload"], {
    id: "i",
    key: "k",
    headers: { h: "v" },
    traceparent,
    tracestate: "t=1",
  });
  client.send("a", null, {});
  const { payload, meta } = await connection.next("publish");
  expect(payload).toEqual(Uint8Array.fromHex("91a77061796c6f6164"));
  expect(meta).toEqual({
    ...EMPTY_META,
    id: "i",
    key: "k",
    headers: new Map([["h", "v"]]),
    traceparent,
    tracestate: "t=1",
  });
  expect((await connection.next("publish")).meta).toBeNull();
});

test("a refusal carries the broker's code and advice", async () => {
  await using pair = await connectedPair();
  const { client, connection } = pair;
  const published = refusal(client.publish("a", 1));
  connection.fail((await connection.next("publish")).id, Code.tooManyRequests, 250);
  expect(await published).toMatchObject({
    code: "too_many_requests",
    number: 4103,
    retry: "backoff",
    retryAfterMs: 250,
    mayHaveHappened: false,
  });
  const unknown = refusal(client.publish("a", 1));
  connection.fail((await connection.next("publish")).id, Code.publishUnknown);
  expect(await unknown).toMatchObject({ code: "publish_unknown", mayHaveHappened: true });
});

test("what the broker has against a publication without an answer is an error event", async () => {
  await using pair = await connectedPair();
  const error = once(pair.client, "error");
  pair.client.send("a", 1);
  pair.connection.fail((await pair.connection.next("publish")).id, Code.forbidden);
  expect(await error).toMatchObject({ code: "forbidden" });
});

test("an answer that is none is a coded error", async () => {
  await using pair = await connectedPair();
  const published = refusal(pair.client.publish("a", 1));
  pair.connection.ok((await pair.connection.next("publish")).id, "what?");
  expect(await published).toMatchObject({ code: "bad_frame" });
});

test("bad input is refused before anything is sent", async () => {
  await using pair = await connectedPair({}, { limits: { maxMessageBytes: 1000 } });
  const { client, connection } = pair;
  for (const name of ["", "a.*", "a b", "é", "a..b", "x".repeat(256)]) {
    expect(await refusal(client.publish(name, 1))).toMatchObject({ code: "bad_channel" });
    expect(thrown(() => client.send(name, 1)).code).toBe("bad_channel");
  }
  expect(await refusal(client.publish("a", () => 1))).toMatchObject({ code: "encode_failed" });
  const large = new Uint8Array(1000);
  expect(await refusal(client.publish("a", large))).toMatchObject({ code: "too_large" });
  expect(await refusal(client.publish("a", large, { id: "x" }))).toMatchObject({
    code: "too_large",
  });
  expect(thrown(() => client.send("a", large))).toMatchObject({ code: "too_large", number: 4013 });
  client.send("a", "fine");
  await connection.next("publish");
  expect(connection.messages.length).toBe(2);
});

test("an answer that does not come is a timeout, and may have happened", async () => {
  const clock = new ManualClock();
  await using pair = await connectedPair({ clock, requestTimeoutMs: 3000 });
  const published = refusal(pair.client.publish("a", 1));
  await pair.connection.next("publish");
  clock.advance(3000);
  expect(await published).toMatchObject({ code: "request_timeout", mayHaveHappened: true });
});
