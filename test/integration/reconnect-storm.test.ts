import { describe, expect, test } from "bun:test";

import { startBroker } from "../support/broker.ts";
import { checkContiguous } from "../support/history-checker.ts";
import { ProtocolClient } from "../support/protocol-client.ts";

const CLIENTS = 1000;
const CHANNELS = 20;

function channelOf(client: number): string {
  return `room.${client % CHANNELS}`;
}

/** Publishes one more on every channel. */
async function publishRound(publisher: ProtocolClient, text: string): Promise<void> {
  const channels = Array.from({ length: CHANNELS }, (_, i) => channelOf(i));
  await Promise.all(channels.map((channel) => publisher.publish(channel, text)));
}

describe("a thousand clients that come back at once", () => {
  test("each get exactly what they missed, while publishing goes on", async () => {
    await using node = await startBroker({ historySize: 200 });
    const { stats } = node.broker.api;
    await using publisher = await ProtocolClient.connect(node.url);
    const before = await Promise.all(
      Array.from({ length: CLIENTS }, async (_, i) => {
        const client = await ProtocolClient.connect(node.url);
        const { epoch } = await client.subscribe(channelOf(i));
        return { client, epoch };
      }),
    );
    for (let round = 0; round < 10; round++) await publishRound(publisher, `before ${round}`);
    // Half of them leave with all of it, half with whatever has reached them.
    await Promise.all(
      before.slice(0, CLIENTS / 2).map(({ client }) => client.untilPublications(10)),
    );
    const positions = before.map(({ client, epoch }) => {
      checkContiguous(client.publications, 0);
      client.terminate();
      return { epoch, offset: client.publications.length };
    });
    await Promise.all(before.map(({ client }) => client.untilClosed()));
    for (let round = 0; round < 10; round++) await publishRound(publisher, `away ${round}`);
    while (stats.connectionsOpen > 1) await publisher.ping();
    expect(stats.subscriptionsOpen).toBe(0);

    const storm = { isOver: false };
    const publishing = (async () => {
      let rounds = 20;
      for (; !storm.isOver || rounds < 25; rounds++) await publishRound(publisher, "storm");
      return rounds;
    })();
    const after = await Promise.all(
      positions.map(async (recover, i) => {
        const client = await ProtocolClient.connect(node.url);
        const subscribed = await client.subscribe(channelOf(i), { recover });
        expect(subscribed).toMatchObject({ recovered: true, epoch: recover.epoch });
        expect(subscribed.count).toBeGreaterThanOrEqual(10);
        return client;
      }),
    );
    storm.isOver = true;
    const newest = await publishing;
    await Promise.all(
      after.map(async (client, i) => {
        const { offset } = positions[i] as { offset: number };
        await client.untilPublications(newest - offset);
        checkContiguous(client.publications, offset);
        expect(client.publications).toHaveLength(newest - offset);
      }),
    );
    expect(stats.recoveriesComplete).toBe(CLIENTS);
    expect(stats.recoveriesIncomplete).toBe(0);
    expect(stats.subscriptionsOpen).toBe(CLIENTS);
    expect(stats.closesByCode.get("slow")).toBeUndefined();
  });
});
