import { expect, test } from "bun:test";

import { connect, TickwireClient } from "../../client/index.ts";
import type { ClientOptions } from "../../client/index.ts";
import { Code } from "../../protocol/codes.ts";
import { encodeDrain } from "../../protocol/messages/drain.ts";
import { encodeNotice } from "../../protocol/messages/notice.ts";
import { encodePong } from "../../protocol/messages/ping.ts";
import { PROTOCOL_VERSION, SUBPROTOCOL_JSON } from "../../protocol/version.ts";
import { collect, once, refusal, thrown } from "../support/client-events.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { ScriptedPeer } from "../support/scripted-peer.ts";

/* The life of the connection, against a peer that plays every part a broker could. */

/** Names of the events as they come, for order. */
function eventLog(client: TickwireClient): string[] {
  const log: string[] = [];
  const names = ["connecting", "connected", "reconnecting", "closed", "error"] as const;
  for (const name of names) client.on(name, () => log.push(name));
  return log;
}

function atOnce(options: ClientOptions = {}): ClientOptions {
  return { random: () => 0, ...options };
}

test("it introduces itself and tells who it is", async () => {
  await using peer = new ScriptedPeer();
  await using client = new TickwireClient(peer.url, { token: "t0k3n", name: "game" });
  expect(client.state).toBe("connecting");
  const log = eventLog(client);
  const connected = once(client, "connected");
  const connection = await peer.connection();
  await connection.accept({ connection: "c_1", user: "ann", node: "n_1" });
  expect(await connected).toEqual({ connection: "c_1", user: "ann", node: "n_1" });
  expect(connection.messages).toEqual([
    [{ type: "connect", id: 1, version: PROTOCOL_VERSION, token: "t0k3n", client: "game" }],
  ]);
  expect(log).toEqual(["connecting", "connected"]);
  expect(client.state).toBe("connected");
  expect(client.connection).toBe("c_1");
  expect(client.limits?.maxMessageBytes).toBe(65_536);
});

test("connect waits for the connection", async () => {
  await using peer = new ScriptedPeer();
  const connecting = connect(peer.url);
  await peer.accepted();
  await using client = await connecting;
  expect(client.state).toBe("connected");
  await client.ready();
});

test("a lost connection is opened again after a random delay, longer each time", async () => {
  await using peer = new ScriptedPeer();
  const clock = new ManualClock();
  await using client = new TickwireClient(peer.url, { clock, random: () => 0.5 });
  (await peer.accepted()).cut();
  for (const delayMs of [500, 500, 1000, 2000, 4000, 7500, 7500]) {
    const event = await once(client, "reconnecting");
    expect(event.delayMs).toBe(delayMs);
    expect(event.error).toMatchObject({ code: "connection_lost", number: 1006 });
    expect(client.state).toBe("reconnecting");
    clock.advance(delayMs - 1);
    expect(client.state).toBe("reconnecting");
    clock.advance(1);
    expect(client.state).toBe("connecting");
    (await peer.connection()).cut();
  }
  await once(client, "reconnecting");
});

test("back-off starts anew once a connection has lasted ten seconds", async () => {
  await using peer = new ScriptedPeer();
  const clock = new ManualClock();
  await using client = new TickwireClient(peer.url, { clock, random: () => 1 });
  const delays: number[] = [];
  client.on("reconnecting", ({ delayMs }) => delays.push(delayMs));
  for (const lastsMs of [9999, 9999, 9999, 10_000]) {
    const connection = await peer.accepted();
    await client.ready();
    clock.advance(lastsMs);
    const lost = once(client, "reconnecting");
    connection.cut();
    clock.advance((await lost).delayMs);
  }
  expect(delays).toEqual([1000, 1000, 2000, 1000]);
});

test("a code that says never ends it for good, and everybody is told", async () => {
  await using peer = new ScriptedPeer();
  const client = new TickwireClient(peer.url, atOnce());
  const subscription = client.subscribe("a");
  const connection = await peer.accepted();
  const { id } = await connection.next("subscribe");
  connection.ok(id, [1, "e", 0, false, 0]);
  await subscription.ready();
  const closed = once(client, "closed");
  const unsubscribed = once(subscription, "unsubscribed");
  const pending = refusal(client.publish("a", 1));
  await connection.next("publish");
  connection.close(Code.disconnected.code, "go away");
  expect(await closed).toEqual({ code: 4017, reason: "go away", terminal: true });
  expect(await unsubscribed).toMatchObject({ code: "disconnected", number: 4017 });
  expect(await pending).toMatchObject({ code: "disconnected", number: 4017 });
  expect(await refusal(client.ready())).toMatchObject({ code: "disconnected" });
  expect(await refusal(client.publish("a", 1))).toMatchObject({ code: "closed" });
  expect(thrown(() => client.subscribe("a")).code).toBe("closed");
  expect(thrown(() => client.send("a", 1)).code).toBe("closed");
  expect(subscription[Symbol.asyncIterator]().next()).rejects.toMatchObject({ number: 4017 });
  expect(client.state).toBe("closed");
  await client.close();
  expect(peer.connectionCount).toBe(1);
});

test("an error reply to connect counts like a close, and its time to wait is kept", async () => {
  await using peer = new ScriptedPeer();
  const clock = new ManualClock();
  await using client = new TickwireClient(peer.url, { clock, random: () => 0.5 });
  const connection = await peer.connection();
  const reconnecting = once(client, "reconnecting");
  connection.fail((await connection.next("connect")).id, Code.overloaded, 5000);
  expect(await reconnecting).toMatchObject({ delayMs: 5500, error: { code: "overloaded" } });

  clock.advance(5500);
  const closed = once(client, "closed");
  const second = await peer.connection();
  second.fail((await second.next("connect")).id, Code.forbidden);
  expect(await closed).toMatchObject({ code: Code.forbidden.code, terminal: true });
});

test("an attempt that takes too long is given up", async () => {
  await using peer = new ScriptedPeer();
  const clock = new ManualClock();
  await using client = new TickwireClient(peer.url, { clock, connectTimeoutMs: 3000 });
  const silent = await peer.connection();
  await silent.next("connect");
  const reconnecting = once(client, "reconnecting");
  clock.advance(3000);
  expect((await reconnecting).error.code).toBe("connect_timeout");
});

test("a server that chooses another subprotocol is not talked to", async () => {
  await using peer = new ScriptedPeer(SUBPROTOCOL_JSON);
  await using client = new TickwireClient(peer.url, { random: () => 1 });
  expect((await once(client, "reconnecting")).error.code).toBe("connection_lost");
  expect(client.state).toBe("reconnecting");
});

test("a broker of another version ends it", async () => {
  await using peer = new ScriptedPeer();
  const client = new TickwireClient(peer.url, atOnce());
  const closed = once(client, "closed");
  await peer.accepted({ version: PROTOCOL_VERSION + 1 });
  expect(await closed).toMatchObject({ code: 4002, terminal: true });
});

test("a URL that is none ends it with a coded error", async () => {
  const client = new TickwireClient("nonsense");
  expect(await refusal(client.ready())).toMatchObject({ code: "bad_argument" });
  expect(client.state).toBe("closed");
});

test("options that make no sense are refused at once", () => {
  for (const options of [
    { requestTimeoutMs: 0 },
    { connectTimeoutMs: Number.NaN },
    { maxBufferedBytes: -1 },
    { queueWhileDisconnected: { maxCount: 0 } },
  ]) {
    expect(thrown(() => new TickwireClient("ws://127.0.0.1", options)).code).toBe("bad_argument");
  }
});

test("a silent broker is found out, and what was pending is told", async () => {
  await using peer = new ScriptedPeer();
  const clock = new ManualClock();
  const options = { clock, random: () => 0, requestTimeoutMs: 100_000 };
  await using client = new TickwireClient(peer.url, options);
  const connection = await peer.accepted({ limits: { pingIntervalMs: 20_000 } });
  await client.ready();
  const lost = refusal(client.publish("a", 1));
  await connection.next("publish");
  clock.advance(20_000);
  const ping = await connection.next("ping");
  const answered = once(client, "error");
  connection.send(encodePong({ id: ping.id, clientTimeMs: 0, serverTimeMs: 0 }), [63, "marker"]);
  // The pong is in when a later frame is.
  connection.send([34, 0, 4000, "marker", "marker"]);
  expect((await answered).code).toBe("marker");

  const reconnecting = once(client, "reconnecting");
  clock.advance(20_000);
  await connection.next("ping");
  clock.advance(9999);
  expect(client.state).toBe("connected");
  clock.advance(1);
  expect((await reconnecting).error.code).toBe("no_pong");
  expect(await lost).toMatchObject({ code: "connection_lost", mayHaveHappened: true });
});

test("a draining broker is left at a random moment of its window, once it has answered", async () => {
  await using peer = new ScriptedPeer();
  const clock = new ManualClock();
  await using client = new TickwireClient(peer.url, { clock, random: () => 0.5 });
  const connection = await peer.accepted();
  await client.ready();
  connection.send(encodeDrain(8000));
  await clock.untilTimer(4000);
  const published = client.publish("a", 1);
  const { id } = await connection.next("publish");
  clock.advance(4000);
  expect(client.state).toBe("connected");
  const reconnecting = once(client, "reconnecting");
  connection.ok(id, [1, "e"]);
  expect(await published).toEqual({ offset: 1, epoch: "e" });
  expect(await reconnecting).toMatchObject({ delayMs: 0, error: { code: "drain" } });
});

test("a broker that drains faster is not stormed: the rest of the wait remains", async () => {
  await using peer = new ScriptedPeer();
  const clock = new ManualClock();
  await using client = new TickwireClient(peer.url, { clock, random: () => 0.5 });
  const connection = await peer.accepted();
  await client.ready();
  connection.send(encodeDrain(8000));
  await clock.untilTimer(4000);
  clock.advance(1000);
  const reconnecting = once(client, "reconnecting");
  connection.close(Code.drain.code);
  expect(await reconnecting).toMatchObject({ delayMs: 3000, attempt: 0 });
});

test("ready follows the connection there is", async () => {
  await using peer = new ScriptedPeer();
  await using client = new TickwireClient(peer.url, atOnce());
  const connection = await peer.accepted();
  await client.ready();
  const lost = once(client, "reconnecting");
  connection.cut();
  await lost;
  let isReady = false;
  const ready = client.ready().then(() => (isReady = true));
  const second = await peer.connection();
  expect(isReady).toBe(false);
  await second.accept();
  await ready;
});

test("ping measures the round trip and the broker's clock", async () => {
  await using peer = new ScriptedPeer();
  const clock = new ManualClock();
  await using client = new TickwireClient(peer.url, { clock });
  const connection = await peer.accepted();
  await client.ready();
  const measured = client.ping();
  const { id, clientTimeMs } = await connection.next("ping");
  expect(clientTimeMs).toBe(clock.wallMs());
  clock.advance(40);
  // The broker's clock is 5 s ahead, and it answered half-way.
  const serverTimeMs = clientTimeMs + 20 + 5000;
  connection.send(encodePong({ id, clientTimeMs, serverTimeMs }));
  expect(await measured).toEqual({ rttMs: 40, clockOffsetMs: 5000 });
});

test("a question waits for the connection, as long as for an answer", async () => {
  await using peer = new ScriptedPeer();
  const clock = new ManualClock();
  await using client = new TickwireClient(peer.url, { clock, connectTimeoutMs: 60_000 });
  const early = refusal(client.presence("a"));
  const connection = await peer.connection();
  clock.advance(9999);
  const late = client.presence("a");
  clock.advance(1);
  expect(await early).toMatchObject({ code: "not_connected", mayHaveHappened: false });
  await connection.accept();
  const { id } = await connection.next("presence");
  connection.ok(id, [["c_1", "ann"]]);
  expect(await late).toEqual([{ connection: "c_1", user: "ann" }]);
});

test("a listener that throws is told as an error, and stops nothing", async () => {
  await using peer = new ScriptedPeer();
  await using client = new TickwireClient(peer.url);
  const errors = collect(client, "error");
  const mine = new Error("mine");
  client.on("connected", () => {
    throw mine;
  });
  const connected = once(client, "connected");
  await peer.accepted();
  await connected;
  expect(errors).toMatchObject([{ code: "listener_failed", cause: mine }]);
});

test("a notice of the broker is an event, and changes nothing", async () => {
  await using peer = new ScriptedPeer();
  await using client = new TickwireClient(peer.url);
  const connection = await peer.accepted();
  await client.ready();
  const noticed = once(client, "notice");
  const notice = { channel: "chat.room", state: "degraded", message: "cut off" } as const;
  connection.send(encodeNotice(notice));
  expect(await noticed).toMatchObject(notice);
  const again = once(client, "notice");
  connection.send(encodeNotice({ channel: null, state: "ok", message: "whole again" }));
  expect(await again).toMatchObject({ channel: null, state: "ok" });
  expect(client.state).toBe("connected");
});
