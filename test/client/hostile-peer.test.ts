import { expect, test } from "bun:test";

import { TickwireClient } from "../../client/index.ts";
import { BinaryCodec } from "../../protocol/binary-codec.ts";
import { encodeOk } from "../../protocol/messages/reply.ts";
import { collect, once, refusal } from "../support/client-events.ts";
import { Mutator } from "../support/mutate.ts";
import { announceSeed, Random } from "../support/random.ts";
import { ScriptedPeer } from "../support/scripted-peer.ts";
import {
  answerSubscribe,
  connectedPair,
  Deliveries,
  patternFrame,
  publications,
} from "../support/subscribed-client.ts";

/* A peer that breaks the protocol. The client never throws, hangs or grows: it says so and connects anew. */

const codec = new BinaryCodec();
const seed = announceSeed("hostile peer");
const FUZZ_MESSAGES = 400;

/** Messages that are no frames of this protocol, by what is wrong with them. */
const BAD_MESSAGES: Readonly<Record<string, Uint8Array>> = {
  "an empty message": new Uint8Array(0),
  "a number for a frame": Uint8Array.of(7),
  "an op that is no number": Uint8Array.fromHex("91a178"),
  "a frame without an op": Uint8Array.of(0x90),
  "a frame cut short": Uint8Array.fromHex("9423"),
  "a payload that claims four gigabytes": Uint8Array.fromHex("94230101c6ffffffff"),
  "a result that claims four thousand million items": Uint8Array.fromHex("932101ddffffffff"),
  "a map that claims four thousand million entries": Uint8Array.fromHex("932101dfffffffff"),
  "an extension": Uint8Array.fromHex("93210147d478"),
  "nesting without end": new Uint8Array(50_000).fill(0x91),
  "a negative offset": Uint8Array.fromHex("942301ff"),
  "a gap without numbers": Uint8Array.fromHex("9226c0"),
};

for (const [what, bytes] of Object.entries(BAD_MESSAGES)) {
  test(`${what} costs the connection, and a new one goes on`, async () => {
    await using pair = await connectedPair();
    const { peer, client, connection } = pair;
    const error = once(client, "error");
    const reconnecting = once(client, "reconnecting");
    connection.sendBytes(bytes);
    expect(await error).toMatchObject({ code: "bad_frame", retry: "backoff" });
    expect(await reconnecting).toMatchObject({ error: { code: "bad_frame" } });
    await peer.accepted();
    await client.ready();
  });
}

test("a text message costs the connection", async () => {
  await using pair = await connectedPair();
  const error = once(pair.client, "error");
  pair.connection.sendText("[35,1,1,'x']");
  expect(await error).toMatchObject({ code: "bad_frame" });
  await pair.peer.accepted();
});

test("what comes before a bad frame is handled, what comes after is not", async () => {
  await using pair = await connectedPair();
  const deliveries = new Deliveries();
  pair.client.subscribe("a", {}, deliveries.take);
  await answerSubscribe(pair.connection);
  const [first, second] = publications(1, 1, 2).map((frame) => codec.encode(frame));
  const error = once(pair.client, "error");
  pair.connection.sendBytes(
    codec.join([first ?? new Uint8Array(0), Uint8Array.of(0xc1), second ?? new Uint8Array(0)]),
  );
  await error;
  expect(deliveries.got).toEqual(["a:1"]);
});

test("an answer to connect that is none is not taken for a connection", async () => {
  await using peer = new ScriptedPeer();
  for (const result of [null, 7, "connected", [1, "e", 0, false, 0]] as const) {
    const client = new TickwireClient(peer.url, { random: () => 0 });
    const closed = once(client, "closed");
    const connection = await peer.connection();
    connection.ok((await connection.next("connect")).id, result);
    expect(await closed).toMatchObject({ code: 4002, terminal: true });
  }
});

test("frames nobody asked for, or of a later version, change nothing", async () => {
  await using pair = await connectedPair();
  const { client, connection } = pair;
  const errors = collect(client, "error");
  const deliveries = new Deliveries();
  const subscription = client.subscribe("a", {}, deliveries.take);
  const gaps = collect(subscription, "gap");
  await answerSubscribe(connection);
  connection.send(
    encodeOk(4_000_000_000, null),
    [42, 999, 0, 0],
    [34, 77, 4003, "forbidden", "nobody"],
    [63, "from the future", [1, [2, [3]]]],
    [38, 555, 1, 2, "slow", 2],
    [40, 555, "c", null],
    [39, "never.subscribed", 4003, "forbidden", "no"],
    ...publications(555, 1),
    [32, 4_000_000_001, 1, "c_x", null, "n", 0, 0, [1, 1, 1, 1]],
    ...publications(1, 1),
  );
  expect(await deliveries.count(1)).toEqual(["a:1"]);
  expect(errors).toEqual([]);
  expect(gaps).toEqual([]);
  expect(client.connection).toBe("c_peer");
});

test("a count of publications that never come harms nobody", async () => {
  await using pair = await connectedPair();
  const deliveries = new Deliveries();
  const recover = { epoch: "e", offset: 5 };
  pair.client.subscribe("a", { recover }, deliveries.take);
  const huge = Number.MAX_SAFE_INTEGER;
  await answerSubscribe(
    pair.connection,
    { offset: huge, count: huge, recovered: false },
    ...publications(1, 6, 7),
  );
  expect(await deliveries.count(2)).toEqual(["a:6", "a:7"]);
});

test("an answer of the wrong shape is a coded error for who asked", async () => {
  await using pair = await connectedPair();
  const { client, connection } = pair;
  const history = refusal(client.history("a"));
  connection.ok((await connection.next("history")).id, ["e", 1, true, [[1]]]);
  expect(await history).toMatchObject({ code: "bad_frame" });
  const presence = refusal(client.presence("a"));
  connection.ok((await connection.next("presence")).id, 7);
  expect(await presence).toMatchObject({ code: "bad_frame" });
  const ping = refusal(client.ping());
  connection.ok((await connection.next("ping")).id, null);
  expect(await ping).toMatchObject({ code: "bad_frame" });
});

test("an answer of the wrong shape to subscribe costs the connection", async () => {
  await using pair = await connectedPair();
  const subscription = pair.client.subscribe("a");
  pair.connection.ok((await pair.connection.next("subscribe")).id, ["x"]);
  await answerSubscribe(await pair.peer.accepted());
  await subscription.ready();
});

test("more channels than a client can keep apart cost the connection", async () => {
  await using pair = await connectedPair();
  const error = once(pair.client, "error");
  pair.client.subscribe(">");
  pair.connection.send(patternFrame((await pair.connection.next("subscribe")).id));
  for (let block = 0; block < 11; block++) {
    const ids = Array.from({ length: 10_000 }, (_, i) => block * 10_000 + i + 1);
    pair.connection.send(...ids.map((id) => [37, id, `c.${id}`, "e", 0] as const));
  }
  expect(await error).toMatchObject({ code: "bad_frame" });
});

test("limits that make no sense stop publications, not the client", async () => {
  await using pair = await connectedPair(
    {},
    { limits: { maxMessageBytes: 0, pingIntervalMs: 0, maxPayloadBytes: 0, maxSubscriptions: 0 } },
  );
  expect(await refusal(pair.client.publish("a", 1))).toMatchObject({ code: "too_large" });
  const subscription = pair.client.subscribe("a");
  await answerSubscribe(pair.connection);
  await subscription.ready();
});

test("damaged messages of every kind leave a client that works", async () => {
  await using pair = await connectedPair();
  const { peer, client } = pair;
  const seeds = [
    codec.join(
      [...publications(1, 1, 2), [37, 2, "m.a", "e", 0] as const].map((f) => codec.encode(f)),
    ),
    codec.encode(encodeOk(3, [1, "e", 0, true, 0])),
    codec.encode([38, 1, 2, 3, "slow", 2]),
    codec.encode([
      36,
      1,
      3,
      ["id", "k", new Map([["h", "v"]]), null, null, 5, "u"],
      Uint8Array.of(1),
    ]),
    codec.encode([39, "a", 4202, "resync", "again"]),
    codec.encode([43, 100]),
    codec.encode([44, 1000]),
  ];
  const mutator = new Mutator(new Random(seed), seeds);
  client.subscribe("a", {}, () => {});
  client.subscribe("m.*", {}, () => {});
  let { connection } = pair;
  let losses = 0;
  client.on("reconnecting", () => losses++);
  for (let i = 0; i < FUZZ_MESSAGES; i++) {
    const before = losses;
    const settled = Promise.race([once(client, "reconnecting"), once(client, "error")]);
    connection.sendBytes(mutator.next().slice());
    // An error without a request id comes back as an event: all before it has been read.
    connection.send([34, 0, 4103, "marker", "read so far"]);
    const event = await settled;
    if (losses > before || !("code" in event) || event.code !== "marker") {
      connection = await peer.accepted();
      await client.ready();
    }
  }
  expect(losses).toBeGreaterThan(50);
  expect(losses).toBeLessThan(FUZZ_MESSAGES);
  client.send("a", Uint8Array.of(1));
  await connection.next("publish");
});
