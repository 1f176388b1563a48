import { describe, expect, test } from "bun:test";

import type { Broker } from "../../broker/broker.ts";
import { BinaryCodec } from "../../protocol/binary-codec.ts";
import { JsonCodec } from "../../protocol/json-codec.ts";
import { SUBPROTOCOL_JSON, SUBPROTOCOL_MSGPACK } from "../../protocol/version.ts";
import { startBroker } from "../support/broker.ts";
import { HealthyClient } from "../support/healthy-client.ts";
import { attack, Endings, hostileMessages, isBadFrame } from "../support/hostile-client.ts";
import { mutateText } from "../support/mutate-text.ts";
import { Mutator } from "../support/mutate.ts";
import { announceSeed, Random } from "../support/random.ts";
import { RawWebSocket } from "../support/raw-websocket.ts";
import { loadVectors } from "../support/vector-files.ts";
import { wsFrame, WsOpcode } from "../support/websocket-frames.ts";

/*
 * Damaged frames over real sockets. Whatever hostile clients send, the broker answers with errors of its
 * registry or closes with a code that means something; a healthy client on the same broker still publishes
 * and receives after every one of them; and nothing of them is left behind. An error that nobody handles
 * fails the run by itself, because the broker lives in this process.
 */

const CONNECTIONS = 500;

const seed = announceSeed("mutated frames");
const vectors = await loadVectors();
const sources = [...vectors.commands, ...vectors.accepted, ...vectors.invalid, ...vectors.messages];
const binarySeeds = sources.flatMap(({ hex }) =>
  hex === undefined ? [] : Uint8Array.fromHex(hex),
);
const textSeeds = sources.flatMap(({ json }) => json ?? []);

const utf8 = new TextEncoder();
const binaryCodec = new BinaryCodec();
const jsonCodec = new JsonCodec();

const CONNECT = Uint8Array.fromHex("95010101c0c0");

/** Nothing of the hostile clients is left once the broker has seen their sockets close. */
async function expectNothingLeft(broker: Broker, healthy: HealthyClient): Promise<void> {
  const { stats } = broker.api;
  while (stats.connectionsOpen > 1) await healthy.roundTrip();
  expect(stats.subscriptionsOpen).toBe(1);
  expect(stats.outboundQueuedBytes).toBe(0);
  // 4100 is what an error that the broker did not expect is answered with.
  expect(stats.errorsByCode.get("internal") ?? 0).toBe(0);
}

/** Enough of each: a fuzzer whose clients all end alike proves little. */
function expectVariety(endings: Endings, least: number): void {
  expect(endings.of(4000)).toBeGreaterThan(least);
  expect(endings.of("survived")).toBeGreaterThan(least);
}

describe("damaged frames in good WebSocket messages", () => {
  test("in msgpack", async () => {
    // No limit of commands: it would hide what is behind it.
    await using running = await startBroker({ commandRate: 0 });
    await using healthy = await HealthyClient.start(running.url);
    const random = new Random(seed);
    const mutator = new Mutator(random, binarySeeds);
    const endings = new Endings();
    for (let i = 0; i < CONNECTIONS; i++) {
      const messages = hostileMessages(
        random,
        () => mutator.next().slice(),
        (message) => isBadFrame(() => binaryCodec.decode(message, () => {})),
      );
      // One in ten does not even connect properly.
      if (random.chance(0.9)) messages.unshift(CONNECT);
      await using socket = await RawWebSocket.connect(running.url, {
        subprotocols: [SUBPROTOCOL_MSGPACK],
      });
      await attack(socket, "msgpack", messages, endings);
      await healthy.expectAlive();
    }
    expectVariety(endings, CONNECTIONS / 20);
    await expectNothingLeft(running.broker, healthy);
  });

  test("in JSON", async () => {
    await using running = await startBroker({ commandRate: 0 });
    await using healthy = await HealthyClient.start(running.url);
    const random = new Random(seed);
    const endings = new Endings();
    for (let i = 0; i < CONNECTIONS; i++) {
      const messages = hostileMessages(
        random,
        () => mutateText(random, textSeeds),
        (message) => isBadFrame(() => jsonCodec.decode(message, () => {})),
      );
      if (random.chance(0.9)) messages.unshift("[1,1,1]");
      await using socket = await RawWebSocket.connect(running.url, {
        subprotocols: [SUBPROTOCOL_JSON],
      });
      await attack(
        socket,
        "json",
        messages.map((message) => utf8.encode(message)),
        endings,
      );
      await healthy.expectAlive();
    }
    expectVariety(endings, CONNECTIONS / 20);
    await expectNothingLeft(running.broker, healthy);
  });

  test("many connections at once", async () => {
    await using running = await startBroker({ commandRate: 0 });
    await using healthy = await HealthyClient.start(running.url);
    const mutator = new Mutator(new Random(seed), binarySeeds);
    const endings = new Endings();
    const hostile = Array.from({ length: 100 }, async () => {
      await using socket = await RawWebSocket.connect(running.url);
      const messages = Array.from({ length: 20 }, () => mutator.next().slice());
      await attack(socket, "msgpack", [CONNECT, ...messages], endings);
    });
    const checks = Array.from({ length: 50 }, () => healthy.expectAlive());
    await Promise.all(checks);
    await Promise.all(hostile);
    await healthy.expectAlive();
    await expectNothingLeft(running.broker, healthy);
  });
});

test("damaged bytes of the WebSocket itself", async () => {
  await using running = await startBroker({ commandRate: 0 });
  await using healthy = await HealthyClient.start(running.url);
  const random = new Random(seed);
  // What a client writes after the handshake: a connect, some commands, pings, a close.
  const streams = Array.from({ length: 50 }, () =>
    Buffer.concat([
      wsFrame(WsOpcode.binary, CONNECT),
      ...Array.from({ length: 5 }, () => wsFrame(WsOpcode.binary, random.pick(binarySeeds))),
      wsFrame(WsOpcode.ping, "ping"),
      wsFrame(WsOpcode.close, Uint8Array.of(3, 232)),
    ]),
  );
  const mutator = new Mutator(random, streams);
  const endings = new Endings();
  for (let i = 0; i < CONNECTIONS; i++) {
    await using socket = await RawWebSocket.connect(running.url);
    socket.write(mutator.next().slice());
    // The broker may wait for the rest of a frame: the end of the stream tells it that none comes.
    socket.end();
    endings.addClose(await socket.closed, true);
    await healthy.expectAlive();
  }
  expect(endings.kinds).toBeGreaterThan(2);
  await expectNothingLeft(running.broker, healthy);
});
