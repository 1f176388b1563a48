import { describe, expect, test } from "bun:test";

import { startBroker } from "../support/broker.ts";
import { checkContiguous } from "../support/history-checker.ts";
import { startBrokerProcess } from "../support/process.ts";
import { ProtocolClient, RefusedError, subscribeFrame } from "../support/protocol-client.ts";
import { rejection } from "../support/rejection.ts";
import { StallingClient } from "../support/stalling-client.ts";

/** One after the other, so that the broker has them in this order. */
async function connectAll(url: string, count: number): Promise<ProtocolClient[]> {
  const clients: ProtocolClient[] = [];
  while (clients.length < count) clients.push(await ProtocolClient.connect(url));
  return clients;
}

/** Each got everything up to its close, and the later it was closed the more. */
function expectSpread(clients: readonly ProtocolClient[]): void {
  for (const client of clients) checkContiguous(client.publications, 0);
  const counts = clients.map(({ publications }) => publications.length);
  expect(counts).toEqual(counts.toSorted((a, b) => a - b));
  expect(counts.at(-1)).toBeGreaterThan(counts[0] ?? 0);
  expect(new Set(clients.map(({ closed }) => closed?.code))).toEqual(new Set([4200]));
}

/** Publishes until its connection ends; resolves to how many publications were acknowledged. */
async function publishToTheEnd(client: ProtocolClient, channel: string): Promise<number> {
  let count = 0;
  try {
    for (;;) {
      await client.publish(channel, String(count + 1));
      count++;
    }
  } catch (error) {
    if (client.closed === null || error instanceof RefusedError) throw error;
  }
  return count;
}

describe("a broker that drains", () => {
  test("on SIGTERM tells its clients, closes them one by one with 4200, refuses new ones, and exits with 0", async () => {
    await using node = await startBrokerProcess(["--drain-ms", "1000"]);
    const clients = await connectAll(node.url, 20);
    for (const client of clients) await client.subscribe("a");
    const publishers = await connectAll(node.url, 2);
    const publishing = publishers.map((publisher) => publishToTheEnd(publisher, "a"));
    await Promise.all(clients.map((client) => client.untilPublications(20)));
    node.kill("SIGTERM");
    const last = clients.at(-1) as ProtocolClient;
    const drain = await last.frame("drain");
    expect(drain.windowMs).toBe(1000);
    // Most are still served while the first go.
    const servedAfterDrain = last.publications.length;
    await expectRefused(node.url);
    await last.untilPublications(servedAfterDrain + 10);
    await Promise.all(clients.map((client) => client.untilClosed()));
    expectSpread(clients);
    const acknowledged = (await Promise.all(publishing)).reduce((sum, count) => sum + count, 0);
    for (const client of clients) {
      expect(client.frames.filter(({ type }) => type === "drain")).toHaveLength(1);
    }
    expect(acknowledged).toBeGreaterThanOrEqual(last.publications.length - publishers.length);
    expect(await node.exited).toBe(0);
    expect(node.stderr).toBe("");
  });

  test("exits at once on SIGTERM when nobody is connected, and on a second signal when somebody is", async () => {
    // A minute's window: the tests' own time limit would tell if it were waited for.
    const args = ["--drain-ms", "60000"];
    await using quiet = await startBrokerProcess(args);
    await using busy = await startBrokerProcess(args);
    quiet.kill("SIGTERM");
    expect(await quiet.exited).toBe(0);
    const clients = await connectAll(busy.url, 3);
    busy.kill("SIGTERM");
    for (const client of clients) await client.frame("drain");
    expect(clients.at(-1)?.closed).toBeNull();
    busy.kill("SIGTERM");
    for (const client of clients) expect((await client.untilClosed()).code).toBe(4200);
    expect(await busy.exited).toBe(0);
  });

  test("loses nothing it has acknowledged for a subscriber before that one's close", async () => {
    await using node = await startBroker();
    const subscribers = await connectAll(node.url, 10);
    for (const subscriber of subscribers) await subscriber.subscribe("a");
    // It connects last, and is closed last: everything it is told about comes before all other closes.
    const publisher = await ProtocolClient.connect(node.url);
    const publishing = publishToTheEnd(publisher, "a");
    await subscribers[0]?.untilPublications(5);
    await node.broker.drain(200);
    await Promise.all(subscribers.map((subscriber) => subscriber.untilClosed()));
    expectSpread(subscribers);
    const acknowledged = await publishing;
    expect(acknowledged).toBeGreaterThanOrEqual(subscribers.at(-1)?.publications.length ?? 0);
  });

  test("is not ready while it does, and is stopped at once by a second call", async () => {
    await using node = await startBroker();
    const clients = await connectAll(node.url, 3);
    expect(node.broker.api.health()).toMatchObject({ isReady: true, status: "ok" });
    const draining = node.broker.drain(3_600_000);
    expect(node.broker.api.health()).toMatchObject({ isReady: false, status: "draining" });
    for (const client of clients) await client.frame("drain");
    await node.broker.drain();
    await draining;
    for (const client of clients) expect((await client.untilClosed()).code).toBe(4200);
    expect(node.broker.api.stats.connectionsOpen).toBe(0);
  });

  test("gives a client that is behind, but reads, all that waits for it", async () => {
    await using node = await startBroker({ outboundBytes: "64MiB", historySize: 0 });
    const { api } = node.broker;
    await using slow = await StallingClient.connect(node.url);
    slow.send(subscribeFrame(2, "a"));
    await slow.until(() => slow.frames.length === 2);
    slow.socket.pause();
    let published = 0;
    while (api.stats.outboundQueuedBytes < 1024 * 1024) {
      await api.publish("a", new Uint8Array(32 * 1024));
      published++;
    }
    const draining = node.broker.drain(30_000);
    slow.socket.resume();
    expect((await slow.untilClosed()).code).toBe(4200);
    await draining;
    checkContiguous(slow.publications, 0);
    expect(slow.publications).toHaveLength(published);
  });

  test("ends although a client reads nothing", async () => {
    await using node = await startBroker({ outboundBytes: "64MiB", historySize: 0 });
    await using slow = await StallingClient.connect(node.url);
    slow.send(subscribeFrame(2, "a"));
    await slow.until(() => slow.frames.length === 2);
    slow.socket.pause();
    const payload = new Uint8Array(32 * 1024);
    while (node.broker.api.stats.outboundQueuedBytes < 1024 * 1024) {
      await node.broker.api.publish("a", payload);
    }
    await node.broker.drain(50);
    expect(node.broker.api.stats.connectionsOpen).toBe(0);
    expect(node.broker.api.stats.outboundQueuedBytes).toBe(0);
  });
});

/** A new connection is not possible: the port is closed, or the handshake refused. */
async function expectRefused(url: string): Promise<void> {
  expect(await rejection(ProtocolClient.connect(url))).toBeInstanceOf(Error);
}
