import { describe, expect, test } from "bun:test";

import { createToken } from "../../../broker/auth/create-token.ts";
import type { TraceStats } from "../../../broker/tracing/trace-stats.ts";
import type { DeliveryTrace } from "../../../otel/delivery-trace.ts";
import { latencyOf } from "../../../otel/latency.ts";
import { ProtocolClient } from "../../support/protocol-client.ts";
import { describeWithRedis } from "../../support/redis/binary.ts";
import { startRedis } from "../../support/redis/start-redis.ts";
import { ALL, TOKEN_SECRET } from "../../support/tokens.ts";
import { startTracedBroker, TraceCollector } from "../../support/traced-broker.ts";
import type { TracedBroker } from "../../support/traced-broker.ts";

// What a client says of when it published [P-6.9], from its socket to the stages of deliveries.

const CONTEXT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
/** How long before it was sent a publication says to have been published, ms. */
const AGO_MS = 40;
/** Pongs say whole milliseconds. */
const ROUNDING_MS = 1;

function statsOf({ broker }: TracedBroker): TraceStats {
  return broker.api.stats.tracing;
}

/** The stages of its only delivery, whose sum is its duration. */
function stagesOf(trace: DeliveryTrace): ReadonlyMap<string, number> {
  const [delivery] = trace.deliveries;
  if (delivery === undefined) throw new Error("it was delivered to nobody");
  const { stages, startMs, endMs, hasNegative } = latencyOf(trace, delivery);
  const sumMs = [...stages.values()].reduce((sum, ms) => sum + ms, 0);
  expect(sumMs).toBeCloseTo(endMs - startMs, 6);
  expect(hasNegative).toBe(false);
  return stages;
}

describe("what a client says of when it published", () => {
  test("is where the latency of its deliveries begins, and nothing its subscribers see", async () => {
    await using node = await startTracedBroker({ traceRate: 1 });
    await using client = await ProtocolClient.connect(node.url);
    await client.subscribe("a");
    const { serverTimeMs } = await client.ping();
    const timeMs = serverTimeMs - AGO_MS + 0.25;
    await client.publish("a", "x", { timeMs });
    const trace = await node.collector.first();
    expect(trace.ingest?.clientSentMs).toBeCloseTo(timeMs, 2);
    const stages = stagesOf(trace);
    expect(stages.get("client_send")).toBeGreaterThan(AGO_MS - 0.25 - ROUNDING_MS);
    const publication = client.frames.find(({ type }) => type === "publication");
    const seen = publication?.type === "publication" ? publication.meta?.timeMs : null;
    expect(seen).toBeGreaterThanOrEqual(serverTimeMs);
    expect(Number.isInteger(seen)).toBe(true);
    expect(statsOf(node).clockNegative).toBe(0);
  });

  test.each([
    ["no number", () => NaN],
    ["endless", () => -Infinity],
    ["before 1970", () => -1.5],
    ["in the future", (nowMs: number) => nowMs + 3_600_000],
    ["of long ago", (nowMs: number) => nowMs - 61_000],
  ])("is counted and left out of account when it is %s", async (_what, toldAt) => {
    await using node = await startTracedBroker({ traceRate: 1 });
    await using client = await ProtocolClient.connect(node.url);
    await client.subscribe("a");
    const { serverTimeMs } = await client.ping();
    const { offset } = await client.publish("a", "x", { timeMs: toldAt(serverTimeMs) });
    expect(offset).toBe(1);
    const trace = await node.collector.first();
    expect(trace.ingest?.clientSentMs).toBe(0);
    expect(stagesOf(trace).has("client_send")).toBe(false);
    expect(statsOf(node).clockNegative).toBe(1);
  });

  test("counts for nothing where nothing is traced", async () => {
    await using node = await startTracedBroker();
    await using client = await ProtocolClient.connect(node.url);
    await client.publish("a", "x", { timeMs: NaN });
    expect([node.collector.traces.length, statsOf(node).clockNegative]).toEqual([0, 0]);
  });

  test("counts of a publisher whose context is not trusted too, in a trace of ours", async () => {
    await using node = await startTracedBroker({ traceRate: 1, hasTokens: true });
    const token = await createToken({ sub: "ann", expS: 60, key: TOKEN_SECRET, ...ALL });
    await using client = await ProtocolClient.connect(node.url, { token });
    await client.subscribe("a");
    const { serverTimeMs } = await client.ping();
    await client.publish("a", "x", { traceparent: CONTEXT, timeMs: serverTimeMs - AGO_MS });
    const trace = await node.collector.first();
    expect([trace.link?.spanId, trace.parent]).toEqual(["b7ad6b7169203331", null]);
    expect(stagesOf(trace).get("client_send")).toBeGreaterThan(AGO_MS - ROUNDING_MS);
  });

  test("comes over HTTP as well", async () => {
    await using node = await startTracedBroker({ traceRate: 1 });
    await using client = await ProtocolClient.connect(node.url);
    await client.subscribe("a");
    const { serverTimeMs } = await client.ping();
    const publish = (timeMs: unknown): Promise<Response> =>
      fetch(`${node.httpUrl}/v1/publish`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ channel: "a", payload: "x", timeMs }),
      });
    expect((await publish(serverTimeMs - AGO_MS)).status).toBe(200);
    const trace = await node.collector.first();
    expect(stagesOf(trace).get("client_send")).toBeGreaterThan(AGO_MS - ROUNDING_MS);
    expect((await publish("now")).status).toBe(400);
    expect((await publish(-1)).status).toBe(200);
    expect(statsOf(node).clockNegative).toBe(1);
  });
});

describeWithRedis("on the other node", () => {
  test.each([
    ["with history", {}],
    ["without history", { historySize: 0 }],
  ])("its deliveries begin with the client too, %s", async (_name, config) => {
    await using redis = await startRedis();
    const collector = new TraceCollector();
    const start = (node: string): Promise<TracedBroker> =>
      startTracedBroker({
        node,
        redis: [redis.url],
        collector,
        traceRate: 1,
        ...config,
      });
    await using near = await start("n_near");
    await using far = await start("n_far");
    await using publisher = await ProtocolClient.connect(near.url);
    await using subscriber = await ProtocolClient.connect(far.url);
    await subscriber.subscribe("a");
    const { serverTimeMs } = await publisher.ping();
    await publisher.publish("a", "x", { timeMs: serverTimeMs - AGO_MS });
    const sent = await collector.first(({ node }) => node === "n_near");
    const received = await collector.first(({ node }) => node === "n_far");
    expect(received.traceId).toBe(sent.traceId);
    expect(received.ingest).toBeNull();
    // To the microsecond, as far as doubles of that size go.
    expect(received.origin?.clientSentMs).toBeCloseTo(sent.ingest?.clientSentMs ?? 0, 2);
    const [delivery] = received.deliveries;
    if (delivery === undefined) throw new Error("it was delivered to nobody");
    const { stages, startMs, endMs } = latencyOf(received, delivery);
    expect(stages.get("client_send")).toBeGreaterThan(AGO_MS - ROUNDING_MS);
    expect(startMs).toBe(received.origin?.clientSentMs ?? 0);
    expect([...stages.values()].reduce((sum, ms) => sum + ms, 0)).toBeCloseTo(endMs - startMs, 6);
  });
});
