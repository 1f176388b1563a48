import { describe, expect, test } from "bun:test";

import { encodeUnsubscribe } from "../../protocol/messages/unsubscribe.ts";
import { PlainNode } from "../support/plain-node.ts";
import type { PlainClient } from "../support/plain-node.ts";
import { publishFrame, subscribeFrame } from "../support/protocol-client.ts";

const OUTBOUND_BYTES = 64 * 1024;

/**
 * A session whose queue is so full that the next few bytes make it too slow. It is subscribed to "full",
 * and what it sends next closes it while its own command is being carried out.
 */
async function nearlySlow(): Promise<{ node: PlainNode; client: PlainClient; other: PlainClient }> {
  const node = new PlainNode({ outboundBytes: OUTBOUND_BYTES });
  const client = await node.connect();
  const other = await node.connect();
  other.send(publishFrame(0, "kept", "one"), publishFrame(0, "kept", "two"));
  client.send(subscribeFrame(2, "full"));
  await node.settle();
  client.stopReading();
  other.send(publishFrame(0, "full", "the socket is full with this"));
  await node.settle();
  const { outbound } = client.session;
  while (outbound.queuedBytes < OUTBOUND_BYTES - 20) {
    const size = Math.min(20_000, OUTBOUND_BYTES - 15 - outbound.queuedBytes);
    other.send(publishFrame(0, "full", new Uint8Array(size - 8)));
    await node.settle();
  }
  expect(client.session.state).toBe("connected");
  expect(node.stats.subscriptionsOpen).toBe(1);
  return { node, client, other };
}

/** Nothing of the closed session is left anywhere. */
async function expectForgotten(node: PlainNode, client: PlainClient): Promise<void> {
  expect(client.session.state).toBe("closed");
  expect(client.socket.closes).toEqual([
    { code: 4101, reason: "too slow to read; reconnect and recover by offset" },
  ]);
  expect(node.stats.subscriptionsOpen).toBe(0);
  expect(node.stats.outboundQueuedBytes).toBe(0);
  expect(node.registry.size).toBe(1);
  const channels = await node.api.channels({ pattern: ">", limit: 100, after: null });
  expect(channels.filter(({ subscribers }) => subscribers > 0)).toEqual([]);
  for (const { name } of channels) expect(await node.api.presence(name)).toEqual([]);
}

describe("a session that is closed as slow while it subscribes leaves nothing behind", () => {
  test("when the recovered publications are what is too much", async () => {
    const { node, client } = await nearlySlow();
    client.send(subscribeFrame(3, "kept", { recover: 2, flags: 1 }));
    await node.settle();
    await expectForgotten(node, client);
  });

  test("when publications that were pending on the same channel are", async () => {
    const { node, client, other } = await nearlySlow();
    client.send(subscribeFrame(3, ">"));
    await node.settle();
    other.send(publishFrame(0, "kept", new Uint8Array(100)));
    client.send(subscribeFrame(4, "kept", { flags: 1 }));
    await node.settle();
    await expectForgotten(node, client);
  });

  test("when it subscribes to a pattern and publications were pending", async () => {
    const { node, client, other } = await nearlySlow();
    other.send(publishFrame(0, "full", new Uint8Array(100)));
    client.send(subscribeFrame(3, "ke*.>"), subscribeFrame(4, "full.>"));
    await node.settle();
    await expectForgotten(node, client);
  });

  test("when it unsubscribes and publications were pending", async () => {
    const { node, client, other } = await nearlySlow();
    other.send(publishFrame(0, "full", new Uint8Array(100)));
    client.send(encodeUnsubscribe({ id: 3, channel: "full" }));
    await node.settle();
    await expectForgotten(node, client);
  });
});
