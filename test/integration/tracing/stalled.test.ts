import { expect, test } from "bun:test";

import type { DeliveryTrace } from "../../../broker/tracing/delivery-trace.ts";
import { encodeReceipt } from "../../../protocol/messages/receipt.ts";
import { ProtocolClient, subscribeFrame } from "../../support/protocol-client.ts";
import { StallingClient } from "../../support/stalling-client.ts";
import { startTracedBroker } from "../../support/traced-broker.ts";
import type { TracedBroker } from "../../support/traced-broker.ts";

/** So large that a few fill what the system holds for a client that does not read. */
const BLOCK = new Uint8Array(256 * 1024);
const LARGE = {
  maxPayloadBytes: BLOCK.length,
  maxMessageBytes: 4 * BLOCK.length,
  // Time is passed by talking.
  commandRate: 0,
} as const;
const SLOW_MS = 50;

/** Resolves when so much time has passed, by talking to the broker all the while. */
async function pass(client: ProtocolClient, ms: number): Promise<void> {
  const startMs = performance.now();
  while (performance.now() - startMs < ms) await client.ping();
}

/** A client that is subscribed and does not read. */
async function stalled(node: TracedBroker, channel: string): Promise<StallingClient> {
  const client = await StallingClient.connect(node.url);
  client.send(subscribeFrame(2, channel));
  await client.until(() => client.frames.some(({ type }) => type === "ok"));
  client.socket.pause();
  return client;
}

function connectionOf(client: StallingClient): string {
  const [connected] = client.frames;
  return connected?.type === "connected" ? connected.connection : "";
}

/** Publishes until this many bytes wait for somebody. */
async function publishUntilQueued(
  node: TracedBroker,
  publisher: ProtocolClient,
  channel: string,
  bytes: number,
): Promise<void> {
  while (node.broker.api.stats.outboundQueuedBytes < bytes) await publisher.publish(channel, BLOCK);
}

const isDropped = ({ deliveries }: DeliveryTrace): boolean =>
  deliveries.some(({ outcome }) => outcome === "dropped");
const isLate = ({ deliveries }: DeliveryTrace): boolean =>
  deliveries.some(({ outcome }) => outcome === "late");

const isReceived = ({ deliveries }: DeliveryTrace): boolean => (deliveries[0]?.receivedMs ?? 0) > 0;

test("a subscriber that is closed for being slow is named by a trace of what it lost", async () => {
  await using node = await startTracedBroker({ ...LARGE, outboundBytes: 5 * BLOCK.length });
  await using frozen = await stalled(node, "feed");
  await using healthy = await ProtocolClient.connect(node.url);
  await healthy.subscribe("feed");
  const { dropsByReason } = node.broker.api.stats;
  while (!dropsByReason.has("slow")) await healthy.publish("feed", BLOCK);
  const trace = await node.collector.first(isDropped);
  const connection = connectionOf(frozen);
  expect(trace).toMatchObject({
    reason: "drop",
    publication: { channel: "feed" },
    fanOut: { subscribers: 2, dropped: 1, anomalies: [{ connection, outcome: "slow" }] },
    deliveries: [{ connection, outcome: "dropped", dropReason: "slow", handedOverMs: 0 }],
  });
  expect(trace.deliveries[0]?.queuedBytes).toBeGreaterThan(BLOCK.length);
  // One session gives one trace, however much it lost.
  expect(node.collector.traces.filter(isDropped)).toHaveLength(1);
});

test("what a subscriber left waiting for too long is traced when it reads on, and it is listed", async () => {
  await using node = await startTracedBroker({ ...LARGE, slowMs: SLOW_MS });
  await using frozen = await stalled(node, "feed");
  await using publisher = await ProtocolClient.connect(node.url);
  await publishUntilQueued(node, publisher, "feed", 4 * BLOCK.length);
  await pass(publisher, SLOW_MS);
  const connection = connectionOf(frozen);
  const isItsOwn = (trace: DeliveryTrace): boolean =>
    trace.deliveries[0]?.connection === connection && trace.deliveries[0].queuedBytes >= 0;
  frozen.socket.resume();
  const trace = await node.collector.first((one) => isLate(one) && isItsOwn(one));
  expect(trace).toMatchObject({
    reason: "slow",
    publication: { channel: "feed" },
    deliveries: [{ connection, outcome: "late", dropReason: null }],
  });
  const { fanOut, ingest, deliveries } = trace;
  expect(deliveries[0]?.handedOverMs ?? 0).toBeGreaterThan(fanOut?.endedMs ?? Infinity);
  expect(fanOut?.startedMs ?? 0).toBeGreaterThanOrEqual(ingest?.receivedMs ?? Infinity);
  const [slowest] = node.broker.api.traces.slow(10);
  expect(slowest).toMatchObject({ connection, channel: "feed", seenBy: "queue" });
  expect(slowest?.traceId).toBe(trace.traceId);
  expect(node.broker.api.stats.tracing.stages.socket.count).toBeGreaterThan(0);
});

test("of a traced publication, a delivery that had to wait is told when it is made", async () => {
  await using node = await startTracedBroker({ ...LARGE, traceRate: 1, slowMs: 0 });
  await using frozen = await stalled(node, "feed");
  await using healthy = await ProtocolClient.connect(node.url);
  await healthy.subscribe("feed");
  await publishUntilQueued(node, healthy, "feed", 1);
  const queued = await node.collector.first(({ fanOut }) => (fanOut?.anomalies.length ?? 0) > 0);
  const connection = connectionOf(frozen);
  expect(queued.fanOut).toMatchObject({
    queued: 1,
    anomalies: [{ connection, outcome: "queued" }],
  });
  expect(queued.deliveries.map((one) => one.connection)).toEqual([healthy.connectionId]);
  frozen.socket.resume();
  const told = await node.collector.first(
    ({ traceId, deliveries }) =>
      traceId === queued.traceId && deliveries.some((one) => one.connection === connection),
  );
  expect(told.deliveries).toMatchObject([{ outcome: "delivered" }]);
  expect(told.publication).toEqual(queued.publication);
});

test("without the flight recorder nothing is traced afterwards, and what is chosen still is", async () => {
  await using node = await startTracedBroker({ ...LARGE, slowMs: 1, flightRecorder: 0 });
  await using frozen = await stalled(node, "feed");
  await using publisher = await ProtocolClient.connect(node.url);
  await publishUntilQueued(node, publisher, "feed", 2 * BLOCK.length);
  await frozen[Symbol.asyncDispose]();
  const { stats, traces } = node.broker.api;
  while (!stats.dropsByReason.has("closed")) await publisher.ping();
  expect(node.collector.traces).toEqual([]);
  expect(stats.tracing.stages.fanout.count).toBe(0);
  traces.addRule({ channel: "feed", user: null, connection: null, ttlMs: 60_000 });
  await publisher.publish("feed", "x");
  expect(await node.collector.first()).toMatchObject({
    reason: "debug",
    fanOut: { subscribers: 0 },
  });
});

test("many that stall together give a bounded number of traces, and the rest is counted", async () => {
  const MANY = 24;
  await using node = await startTracedBroker({ ...LARGE, slowMs: 0 });
  const frozen = await Promise.all(Array.from({ length: MANY }, () => stalled(node, "feed")));
  await using publisher = await ProtocolClient.connect(node.url);
  const { api } = node.broker;
  const queues = async (): Promise<number> => {
    const all = await api.connections({ user: null, limit: 100, after: null });
    return all.filter(({ queuedBytes }) => queuedBytes > 0).length;
  };
  while ((await queues()) < MANY) await publisher.publish("feed", BLOCK);
  for (const client of frozen) await client[Symbol.asyncDispose]();
  const { tracing, dropsByReason } = api.stats;
  while ((dropsByReason.get("closed") ?? 0) < MANY) await publisher.ping();
  const dropped = node.collector.traces.filter(isDropped);
  // All of them lost the same publication last.
  expect(new Set(dropped.map(({ traceId }) => traceId)).size).toBe(1);
  expect(dropped).toHaveLength(16);
  expect(tracing.suppressedByReason.get("drop")).toBe(MANY - 16);
});

test("a receipt that shows a late delivery is traced, with what the client says of its clock", async () => {
  await using node = await startTracedBroker({ slowMs: 1 });
  await using client = await ProtocolClient.connect(node.url, { name: "dash" });
  const { channelId } = await client.subscribe("feed");
  const { offset } = await client.publish("feed", "x");
  const { tracing } = node.broker.api.stats;
  const pong = await client.ping();
  client.send(
    encodeReceipt({ channelId, offset, receivedAtMs: pong.serverTimeMs + 20, uncertaintyMs: 0 }),
  );
  // What has not happened yet cannot have been received: it is taken as now, which is soon late enough.
  while (!node.collector.traces.some(isReceived)) {
    const { serverTimeMs: receivedAtMs } = await client.ping();
    client.send(encodeReceipt({ channelId, offset, receivedAtMs, uncertaintyMs: 0 }));
  }
  const trace = await node.collector.first(isReceived);
  expect(trace).toMatchObject({
    reason: "slow",
    publication: { channel: "feed", offset },
    deliveries: [{ connection: client.connectionId, client: "dash", outcome: "late" }],
  });
  expect(trace.deliveries[0]?.receivedMs ?? 0).toBeGreaterThan(trace.fanOut?.endedMs ?? Infinity);
  const { good, poor } = tracing.e2e;
  expect(good.count + poor.count).toBeGreaterThan(0);
  expect(
    [...good.exemplars, ...poor.exemplars].some((one) => one?.traceId === trace.traceId),
  ).toBeTrue();
  expect(node.broker.api.traces.slow(10)[0]).toMatchObject({ seenBy: "receipt", channel: "feed" });
});

test("a receipt in time completes the trace of a publication that is traced anyway", async () => {
  await using node = await startTracedBroker({ traceRate: 1 });
  await using client = await ProtocolClient.connect(node.url);
  const { channelId } = await client.subscribe("feed");
  const { offset } = await client.publish("feed", "x");
  const { traceId } = await node.collector.first();
  const { serverTimeMs: receivedAtMs } = await client.ping();
  client.send(encodeReceipt({ channelId, offset, receivedAtMs, uncertaintyMs: 2 }));
  expect(await node.collector.first(isReceived)).toMatchObject({
    traceId,
    reason: "head",
    deliveries: [{ connection: client.connectionId, outcome: "delivered", clockUncertaintyMs: 2 }],
  });
  expect(node.broker.api.traces.slow(10)).toEqual([]);
});

test("receipts for what a connection is not subscribed to, or was never sent, are ignored", async () => {
  await using node = await startTracedBroker({ slowMs: 60_000 });
  await using owner = await ProtocolClient.connect(node.url);
  const { channelId } = await owner.subscribe("private");
  const { offset } = await owner.publish("private", "x");
  await using other = await ProtocolClient.connect(node.url);
  const { serverTimeMs: receivedAtMs } = await other.ping();
  for (const receipt of [
    { channelId, offset, receivedAtMs },
    { channelId: 999, offset: 1, receivedAtMs },
  ])
    other.send(encodeReceipt({ ...receipt, uncertaintyMs: null }));
  owner.send(encodeReceipt({ channelId, offset: 77, receivedAtMs, uncertaintyMs: null }));
  await owner.ping();
  await other.ping();
  const { tracing, receipts } = node.broker.api.stats;
  expect(receipts).toBe(3);
  expect(tracing.receiptsUnmatched).toBe(1);
  expect(tracing.e2e.good.count + tracing.e2e.poor.count).toBe(0);
  expect(node.collector.traces).toEqual([]);
});
