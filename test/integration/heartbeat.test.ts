import { describe, expect, test } from "bun:test";

import { encodePing } from "../../protocol/messages/ping.ts";
import { startBroker } from "../support/broker.ts";
import type { TestBroker } from "../support/broker.ts";
import { ProtocolClient, subscribeFrame } from "../support/protocol-client.ts";
import { StallingClient } from "../support/stalling-client.ts";
import { VirtualClock } from "../support/virtual-clock.ts";
import { wsFrame, WsOpcode } from "../support/websocket-frames.ts";

const PING_INTERVAL_MS = 25_000;
const PING_GRACE_MS = 10_000;
/** All sessions are looked at once a second. */
const SWEEP_MS = 1000;

async function start(): Promise<{ node: TestBroker; clock: VirtualClock }> {
  const clock = new VirtualClock();
  const node = await startBroker({
    clock,
    pingIntervalMs: PING_INTERVAL_MS,
    pingGraceMs: PING_GRACE_MS,
    preAuthMs: 5000,
  });
  return { node, clock };
}

function pass(node: TestBroker, clock: VirtualClock, ms: number): void {
  clock.advance(ms);
  node.broker.sweep();
}

/** What the client has sent is at the broker: a round trip of another client that began later has ended. */
async function arrived(other: ProtocolClient): Promise<void> {
  await other.ping();
  await other.ping();
}

function pingsOf(client: StallingClient): number {
  return client.socket.frames.filter(({ opcode }) => opcode === WsOpcode.ping).length;
}

describe("heartbeat", () => {
  test("a client that is silent is pinged, and closed with 4102 when it stays so", async () => {
    const { node, clock } = await start();
    await using _ = node;
    await using silent = await StallingClient.connect(node.url);
    await using other = await ProtocolClient.connect(node.url);
    silent.send(subscribeFrame(2, "a", { flags: 1 }));
    await silent.until(() => silent.frames.length === 2);
    pass(node, clock, SWEEP_MS);
    pass(node, clock, PING_INTERVAL_MS);
    await arrived(other);
    expect(pingsOf(silent)).toBe(0);
    pass(node, clock, SWEEP_MS);
    await silent.until(() => pingsOf(silent) === 1);
    await arrived(other);
    pass(node, clock, PING_GRACE_MS - SWEEP_MS);
    await arrived(other);
    expect(node.broker.api.stats.closesByCode.get("no_pong")).toBeUndefined();
    expect(pingsOf(silent)).toBe(1);
    pass(node, clock, SWEEP_MS);
    expect((await silent.untilClosed()).code).toBe(4102);
    expect(node.broker.api.stats.closesByCode.get("no_pong")).toBe(1);
    expect(await other.presence("a")).toEqual([]);
    expect(other.closed).toBeNull();
  });

  for (const [name, sign] of [
    ["answers pings", () => wsFrame(WsOpcode.pong, "")],
    ["sends pings of its own", () => wsFrame(WsOpcode.ping, "")],
    ["sends frames", () => wsFrame(WsOpcode.binary, Buffer.from("93060000", "hex"))],
  ] as const) {
    test(`a client that ${name} stays, for as long as it does`, async () => {
      const { node, clock } = await start();
      await using _ = node;
      await using client = await StallingClient.connect(node.url);
      await using other = await ProtocolClient.connect(node.url);
      for (let round = 1; round <= 5; round++) {
        pass(node, clock, SWEEP_MS);
        pass(node, clock, PING_INTERVAL_MS + SWEEP_MS);
        await client.until(() => pingsOf(client) === round);
        client.socket.write(sign());
        await arrived(other);
      }
      expect(node.broker.api.stats.connectionsOpen).toBe(2);
      pass(node, clock, SWEEP_MS);
      await arrived(other);
      pass(node, clock, PING_INTERVAL_MS + PING_GRACE_MS + 1);
      expect((await client.untilClosed()).code).toBe(4102);
    });
  }

  test("a client's runtime answers by itself", async () => {
    const { node, clock } = await start();
    await using _ = node;
    await using client = await ProtocolClient.connect(node.url);
    await using other = await ProtocolClient.connect(node.url);
    for (let round = 0; round < 5; round++) {
      pass(node, clock, SWEEP_MS);
      pass(node, clock, PING_INTERVAL_MS + SWEEP_MS);
      // The ping has to come and the pong to go back before time passes on.
      for (let i = 0; i < 3; i++) await arrived(other);
    }
    expect(client.closed).toBeNull();
    expect(node.broker.api.stats.connectionsOpen).toBe(2);
  });

  test("a ping frame is answered with the client's time and the broker's", async () => {
    const { node, clock } = await start();
    await using _ = node;
    await using client = await ProtocolClient.connect(node.url);
    expect(client.connected).toMatchObject({
      serverTimeMs: clock.wallMs(),
      limits: { pingIntervalMs: PING_INTERVAL_MS },
    });
    clock.advance(12_345);
    const pong = await client.ping(987_654_321);
    expect(pong).toMatchObject({ clientTimeMs: 987_654_321, serverTimeMs: clock.wallMs() });
    client.send(encodePing({ id: 0, clientTimeMs: 5 }));
    expect(await client.frame("pong", ({ id }) => id === 0)).toMatchObject({ clientTimeMs: 5 });
  });

  test("a connection on which nobody connects is closed with 4004, and no other", async () => {
    const { node, clock } = await start();
    await using _ = node;
    await using waiting = await ProtocolClient.open(node.url);
    await using connected = await ProtocolClient.connect(node.url);
    pass(node, clock, 4999);
    await arrived(connected);
    expect(waiting.closed).toBeNull();
    await using late = await ProtocolClient.open(node.url);
    pass(node, clock, 2);
    expect((await waiting.untilClosed()).code).toBe(4004);
    await arrived(connected);
    expect(late.closed).toBeNull();
    await late.connect();
    pass(node, clock, 5001);
    await arrived(connected);
    expect(late.closed).toBeNull();
    expect(node.broker.api.stats.closesByCode.get("auth_timeout")).toBe(1);
  });
});
