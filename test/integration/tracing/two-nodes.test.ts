import { expect, test } from "bun:test";

import type { ConfigInput } from "../../../broker/config/config.ts";
import type { DeliveryTrace } from "../../../broker/tracing/delivery-trace.ts";
import { FaultProxy } from "../../support/fault-proxy.ts";
import { ProtocolClient } from "../../support/protocol-client.ts";
import { describeWithRedis } from "../../support/redis/binary.ts";
import type { RedisServer } from "../../support/redis/redis-server.ts";
import { startRedis } from "../../support/redis/start-redis.ts";
import { waitUntil } from "../../support/redis/wait.ts";
import { startTracedBroker, TraceCollector } from "../../support/traced-broker.ts";
import type { TracedBroker } from "../../support/traced-broker.ts";

interface Pair extends AsyncDisposable {
  readonly redis: RedisServer;
  /** Between the publishing node and Redis. */
  readonly proxy: FaultProxy;
  /** Of both nodes. */
  readonly collector: TraceCollector;
  readonly publishing: TracedBroker;
  readonly subscribed: TracedBroker;
}

/** Two nodes that share a Redis and a collector. */
async function startPair(config: ConfigInput = {}): Promise<Pair> {
  await using made = new AsyncDisposableStack();
  const redis = made.use(await startRedis());
  const { port } = new URL(redis.url);
  const proxy = made.use(await FaultProxy.start(Number(port)));
  const collector = new TraceCollector();
  const node = async (name: string, url: string): Promise<TracedBroker> =>
    made.use(await startTracedBroker({ node: name, redis: [url], collector, ...config }));
  const publishing = await node("n_pub", `redis://127.0.0.1:${proxy.port}`);
  const subscribed = await node("n_sub", redis.url);
  const kept = made.move();
  return {
    redis,
    proxy,
    collector,
    publishing,
    subscribed,
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

function of(node: string): (trace: DeliveryTrace) => boolean {
  return (trace) => trace.node === node;
}

/** All stamps of both nodes' parts, in the order they must be in. */
function stampsOf(sent: DeliveryTrace, received: DeliveryTrace): number[] {
  return [
    sent.ingest?.receivedMs ?? 0,
    sent.ingest?.acceptedMs ?? 0,
    sent.busSend?.sentMs ?? 0,
    received.busReceive?.receivedMs ?? 0,
    received.fanOut?.startedMs ?? 0,
    received.fanOut?.endedMs ?? 0,
    received.deliveries[0]?.handedOverMs ?? 0,
  ];
}

describeWithRedis("tracing across nodes", () => {
  test.each([
    ["with history", {}],
    ["without history", { historySize: 0 }],
  ])("one trace from publisher to a subscriber on another node, %s", async (_name, config) => {
    await using pair = await startPair({ traceRate: 1, ...config });
    await using subscriber = await ProtocolClient.connect(pair.subscribed.url);
    await using publisher = await ProtocolClient.connect(pair.publishing.url);
    await subscriber.subscribe("market.eur");
    const doubtsMs = (): number[] =>
      [pair.publishing, pair.subscribed].map(
        ({ broker }) => broker.api.stats.tracing.clockUncertaintyMs,
      );
    await waitUntil("both clocks are told", () => !doubtsMs().includes(0));
    const doubtMs = doubtsMs().reduce((a, b) => a + b);
    await publisher.publish("market.eur", "1.07");
    const sent = await pair.collector.first(of("n_pub"));
    const received = await pair.collector.first(of("n_sub"));
    expect(received.traceId).toBe(sent.traceId);
    expect(sent).toMatchObject({
      reason: "head",
      publication: { channel: "market.eur", payloadBytes: 4 },
      busSend: { batchSize: 1, error: null },
      busReceive: null,
      fanOut: null,
    });
    expect(received).toMatchObject({
      reason: "head",
      publication: { channel: "market.eur", payloadBytes: 4 },
      ingest: null,
      busSend: null,
      busReceive: { fromNode: "n_pub", isHealed: false, partition: sent.busSend?.partition },
      fanOut: { subscribers: 1, delivered: 1 },
      deliveries: [{ connection: subscriber.connectionId, outcome: "delivered" }],
    });
    const stamps = stampsOf(sent, received);
    // Both clocks were set by Redis, and each says how far it may be off.
    for (const [i, stamp] of stamps.entries()) {
      expect(stamp).toBeGreaterThanOrEqual((stamps[i - 1] ?? 0) - doubtMs - 1);
    }
    expect(sent.busSend?.repliedMs ?? 0).toBeGreaterThanOrEqual(sent.busSend?.sentMs ?? Infinity);
    expect(pair.collector.traces).toHaveLength(2);
  });

  test("a local-first channel's own subscribers are in its trace before Redis is", async () => {
    await using pair = await startPair({
      traceRate: 1,
      historySize: 0,
      delivery: "local-first",
    });
    await using publisher = await ProtocolClient.connect(pair.publishing.url);
    await using subscriber = await ProtocolClient.connect(pair.subscribed.url);
    await publisher.subscribe("a");
    await subscriber.subscribe("a");
    await publisher.publish("a", "x");
    const there = await pair.collector.first(of("n_sub"));
    const [first, second] = await pair.collector.until(of("n_pub"), 2);
    const { traceId } = there;
    expect(first).toMatchObject({
      traceId,
      busSend: null,
      fanOut: { subscribers: 1 },
      deliveries: [{ connection: publisher.connectionId, outcome: "delivered" }],
    });
    expect(second).toMatchObject({ traceId, busSend: { error: null }, fanOut: null });
    expect(there).toMatchObject({ busReceive: { fromNode: "n_pub" }, fanOut: { subscribers: 1 } });
  });

  test("what is not traced says nothing on its way", async () => {
    await using pair = await startPair();
    await using subscriber = await ProtocolClient.connect(pair.subscribed.url);
    await using publisher = await ProtocolClient.connect(pair.publishing.url);
    await subscriber.subscribe("a");
    for (let i = 0; i < 50; i++) await publisher.publish("a", "x");
    await subscriber.untilPublications(50);
    expect(subscriber.publications.every(({ meta }) => meta === null)).toBeTrue();
    expect(pair.collector.traces).toEqual([]);
  });

  test("a slow Redis is named by both nodes' parts, though nobody had chosen the publication", async () => {
    await using pair = await startPair({ slowMs: 150 });
    await using subscriber = await ProtocolClient.connect(pair.subscribed.url);
    await using publisher = await ProtocolClient.connect(pair.publishing.url);
    await subscriber.subscribe("a");
    await publisher.publish("a", "x");
    await subscriber.untilPublications(1);
    pair.proxy.delay(300);
    const { offset, epoch } = await publisher.publish("a", "y");
    const isIts = ({ publication }: DeliveryTrace): boolean => publication.offset === offset;
    const received = await pair.collector.first((one) => of("n_sub")(one) && isIts(one));
    const sent = await pair.collector.first((one) => of("n_pub")(one) && isIts(one));
    const ids = pair.collector.traces.filter(isIts).map(({ traceId }) => traceId);
    expect(new Set(ids).size).toBe(1);
    expect(received).toMatchObject({
      reason: "slow",
      publication: { channel: "a", offset, epoch },
      deliveries: [{ connection: subscriber.connectionId, outcome: "late" }],
    });
    expect(sent).toMatchObject({ reason: "slow", publication: { channel: "a", offset, epoch } });
    const { busReceive } = received;
    // It had not waited in the node, but was long on its way.
    const queueMs = (busReceive?.sentMs ?? 0) - (busReceive?.openedMs ?? 0);
    const transitMs = (busReceive?.receivedMs ?? 0) - (busReceive?.sentMs ?? 0);
    expect(transitMs).toBeGreaterThan(150);
    expect(transitMs).toBeGreaterThan(queueMs);
    expect((sent.busSend?.repliedMs ?? 0) - (sent.busSend?.sentMs ?? 0)).toBeGreaterThan(150);
    expect(pair.subscribed.broker.api.stats.tracing.stages.bus.count).toBeGreaterThanOrEqual(2);
  });

  test("the sending node tells its part when only the receiving one was slow to be reached", async () => {
    await using pair = await startPair({ slowMs: 150 });
    await using subscriber = await ProtocolClient.connect(pair.publishing.url);
    await using publisher = await ProtocolClient.connect(pair.subscribed.url);
    await subscriber.subscribe("a");
    await publisher.publish("a", "x");
    // Else both would come in one batch, whose oldest is told.
    await subscriber.untilPublications(1);
    // Messages to the node behind the proxy are late; the publisher's own replies are not.
    pair.proxy.set({ toClient: { kind: "delay", delayMs: 400 } });
    const { offset } = await publisher.publish("a", "y");
    const isIts = ({ publication }: DeliveryTrace): boolean => publication.offset === offset;
    const received = await pair.collector.first((one) => of("n_pub")(one) && isIts(one));
    expect(received).toMatchObject({ reason: "slow", busReceive: { fromNode: "n_sub" } });
    const sent = await pair.collector.first((one) => of("n_sub")(one) && isIts(one));
    expect(sent).toMatchObject({ traceId: received.traceId, reason: "slow", busReceive: null });
    expect(sent.busSend).toMatchObject({ batchSize: 1, error: null });
    const replyMs = (sent.busSend?.repliedMs ?? 0) - (sent.busSend?.sentMs ?? 0);
    const transitMs = (received.busReceive?.receivedMs ?? 0) - (received.busReceive?.sentMs ?? 0);
    expect(transitMs).toBeGreaterThan(replyMs);
  });

  test("a publication that Redis refuses is traced as an error", async () => {
    await using pair = await startPair();
    await using publisher = await ProtocolClient.connect(pair.publishing.url);
    await publisher.publish("a", "x");
    await pair.redis.command("CONFIG", "SET", "maxmemory", "1");
    expect(await publisher.publish("a", "y").catch((error: Error) => error.message)).toContain(
      "unavailable",
    );
    expect(await pair.collector.first(({ reason }) => reason === "error")).toMatchObject({
      node: "n_pub",
      publication: { channel: "a", offset: 0 },
      ingest: { error: "unavailable" },
      busSend: { error: "unavailable", batchSize: 1 },
      fanOut: null,
    });
  });

  test("a rule set on one node holds on all of them, until it is removed", async () => {
    await using pair = await startPair();
    await using publisher = await ProtocolClient.connect(pair.publishing.url);
    const [there, here] = [pair.subscribed.broker.api.traces, pair.publishing.broker.api.traces];
    const { id } = there.addRule({ channel: "a.>", user: null, connection: null, ttlMs: 60_000 });
    await pair.redis.waitFor(() => here.rules().length === 1, "the other node knows the rule");
    await publisher.publish("a.b", "x");
    const trace = await pair.collector.first(of("n_pub"));
    expect(trace).toMatchObject({ reason: "debug", publication: { channel: "a.b" } });
    expect(there.removeRule(id)).toBeTrue();
    await pair.redis.waitFor(() => here.rules().length === 0, "the other node has ended it");
  });

  test("the nodes' clock is that of Redis", async () => {
    await using pair = await startPair({ traceRate: 1 });
    await using client = await ProtocolClient.connect(pair.publishing.url);
    await client.subscribe("a");
    const [seconds, micros] = (await pair.redis.command("TIME")) as [string, string];
    const beforeMs = Number(seconds) * 1000 + Number(micros) / 1000;
    await client.publish("a", "x");
    const { ingest } = await pair.collector.first((trace) => trace.ingest !== null);
    const [laterS, laterMicros] = (await pair.redis.command("TIME")) as [string, string];
    const afterMs = Number(laterS) * 1000 + Number(laterMicros) / 1000;
    const doubtMs = pair.publishing.broker.api.stats.tracing.clockUncertaintyMs + 50;
    expect(ingest?.receivedMs ?? 0).toBeGreaterThan(beforeMs - doubtMs - 1);
    expect(ingest?.receivedMs ?? 0).toBeLessThan(afterMs + doubtMs);
  });
});
