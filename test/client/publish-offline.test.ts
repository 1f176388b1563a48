import { expect, test } from "bun:test";

import { TickwireClient } from "../../client/index.ts";
import { collect, once, refusal } from "../support/client-events.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { ScriptedPeer } from "../support/scripted-peer.ts";
import { connectedPair } from "../support/subscribed-client.ts";

/* Publishing while there is no connection, and over its end. */

test("before there is a connection publications wait, and go out in their order", async () => {
  await using peer = new ScriptedPeer();
  await using client = new TickwireClient(peer.url);
  const first = client.publish("a", Uint8Array.of(1));
  expect(client.send("a", Uint8Array.of(2))).toBe(true);
  const third = client.publish("a", Uint8Array.of(3), { id: "three" });
  expect(client.bufferedBytes).toBeGreaterThan(0);
  const connection = await peer.accepted();
  const ids: number[] = [];
  for (let i = 1; i <= 3; i++) {
    const { id, payload } = await connection.next("publish");
    expect(payload).toEqual(Uint8Array.of(i));
    ids.push(id);
  }
  expect(ids[1]).toBe(0);
  connection.ok(ids[0] ?? 0, [1, "e"]);
  connection.ok(ids[2] ?? 0, [3, "e"]);
  expect((await first).offset).toBe(1);
  expect((await third).offset).toBe(3);
  expect(connection.messages.length).toBe(2);
});

test("what waits is bounded by count and by bytes", async () => {
  await using peer = new ScriptedPeer();
  const queueWhileDisconnected = { maxCount: 3, maxBytes: 1000 };
  const client = new TickwireClient(peer.url, { queueWhileDisconnected });
  expect(client.send("a", 1)).toBe(true);
  expect(client.send("a", new Uint8Array(1000))).toBe(false);
  const kept = refusal(client.publish("a", 2));
  expect(client.send("a", 3)).toBe(true);
  expect(client.send("a", 4)).toBe(false);
  expect(await refusal(client.publish("a", 5))).toMatchObject({
    code: "queue_full",
    retry: "backoff",
    mayHaveHappened: false,
  });
  const errors = collect(client, "error");
  await client.close();
  expect(await kept).toMatchObject({ code: "closed" });
  expect(errors).toMatchObject([{ code: "publications_dropped" }]);
  expect(errors[0]?.message).toStartWith("2 ");
});

test("told not to wait, it refuses", async () => {
  await using peer = new ScriptedPeer();
  await using client = new TickwireClient(peer.url, { queueWhileDisconnected: false });
  expect(client.send("a", 1)).toBe(false);
  expect(await refusal(client.publish("a", 1))).toMatchObject({
    code: "not_connected",
    retry: "backoff",
    mayHaveHappened: false,
  });
});

test("a publication that waited in vain has not happened", async () => {
  await using peer = new ScriptedPeer();
  const clock = new ManualClock();
  await using client = new TickwireClient(peer.url, { clock, connectTimeoutMs: 60_000 });
  const connection = await peer.connection();
  const published = refusal(client.publish("a", 1));
  clock.advance(10_000);
  expect(await published).toMatchObject({ code: "not_connected", mayHaveHappened: false });
  await connection.accept();
  await client.ready();
  client.send("a", "marker");
  await connection.next("publish");
  expect(connection.untaken).toEqual([]);
});

test("a publication that waited and is larger than the broker takes is refused then", async () => {
  await using peer = new ScriptedPeer();
  await using client = new TickwireClient(peer.url);
  const large = new Uint8Array(5000);
  const published = refusal(client.publish("a", large));
  const error = once(client, "error");
  client.send("a", large);
  client.send("a", "fine");
  const connection = await peer.accepted({ limits: { maxMessageBytes: 4000 } });
  await connection.next("publish");
  expect(await published).toMatchObject({ code: "too_large" });
  expect(await error).toMatchObject({ code: "too_large" });
  expect(connection.untaken).toEqual([]);
});

test("when the connection dies, only what has an id is published again", async () => {
  await using pair = await connectedPair();
  const { peer, client, connection } = pair;
  const plain = refusal(client.publish("a", "plain"));
  const first = client.publish("a", "first", { id: "1" });
  const second = client.publish("a", "second", { id: "2" });
  const answered = client.publish("a", "answered", { id: "3" });
  const ids: number[] = [];
  for (let i = 0; i < 4; i++) ids.push((await connection.next("publish")).id);
  connection.ok(ids[3] ?? 0, [3, "e"]);
  await answered;
  connection.cut();
  expect(await plain).toMatchObject({
    code: "connection_lost",
    mayHaveHappened: true,
    retry: "backoff",
  });
  const next = await peer.accepted();
  for (const [i, id] of ["1", "2"].entries()) {
    const again = await next.next("publish");
    expect(again).toMatchObject({ id: ids[i + 1], channel: "a", meta: { id } });
    next.ok(again.id, [i + 1, "e"]);
  }
  expect((await first).offset).toBe(1);
  expect((await second).offset).toBe(2);
  expect(next.untaken).toEqual([]);
});

test("over several lost connections it goes out each time, until it is answered", async () => {
  await using pair = await connectedPair();
  let { connection } = pair;
  const published = pair.client.publish("a", "x", { id: "once" });
  for (let i = 0; i < 3; i++) {
    await connection.next("publish");
    connection.cut();
    connection = await pair.peer.accepted();
  }
  connection.ok((await connection.next("publish")).id, [1, "e"]);
  expect(await published).toEqual({ offset: 1, epoch: "e" });
});
