import { expect, test } from "bun:test";

import type { DeliveryTrace } from "../../../broker/tracing/delivery-trace.ts";
import { PlainNode } from "../../support/plain-node.ts";
import { ProtocolClient, subscribeFrame } from "../../support/protocol-client.ts";
import { startTracedBroker } from "../../support/traced-broker.ts";

test("a fan-out to 10 000 tells of a few deliveries, and counts all", async () => {
  const node = new PlainNode({ maxSubscriptions: 10 });
  node.api.traces.addRule({ channel: "feed", user: null, connection: null, ttlMs: 60_000 });
  const clients = await Promise.all(Array.from({ length: 10_000 }, () => node.connect()));
  for (const [i, client] of clients.entries()) client.send(subscribeFrame(i + 2, "feed"));
  await node.settle();
  await node.api.publish("feed", Uint8Array.of(1, 2, 3));
  await node.settle();
  const parts: readonly DeliveryTrace[] = node.api.traces.newest(100);
  expect(parts).toHaveLength(1);
  const [trace] = parts as [DeliveryTrace];
  expect(trace).toMatchObject({
    reason: "debug",
    fanOut: { subscribers: 10_000, delivered: 10_000 },
  });
  expect(trace.deliveries.length).toBeLessThanOrEqual(16);
  expect(trace.deliveries.length).toBeGreaterThan(0);
  expect(trace.fanOut?.anomalies).toEqual([]);
});

test("a rule set by HTTP traces what it names, until it is removed", async () => {
  await using node = await startTracedBroker({
    apiKeys: ["0123456789abcdef"],
    allowAnonymous: true,
  });
  const call = async (path: string, body?: unknown): Promise<Record<string, unknown>> => {
    const response = await fetch(`${node.httpUrl}${path}`, {
      headers: { "x-api-key": "0123456789abcdef", "content-type": "application/json" },
      ...(body === undefined ? {} : { method: "POST", body: JSON.stringify(body) }),
    });
    return { status: response.status, ...((await response.json()) as object) };
  };
  await using client = await ProtocolClient.connect(node.url);
  await client.subscribe("a.b");
  await client.publish("a.b", "before");
  const added = await call("/v1/trace/rules", { channel: "a.*", ttlMs: 60_000 });
  const [rule] = added["rules"] as [{ id: string }];
  expect(added).toMatchObject({ status: 200, rules: [{ channel: "a.*", user: null }] });
  await client.publish("a.b", "during");
  await client.publish("other", "during");
  const { traceId } = await node.collector.first();
  expect(node.collector.traces).toMatchObject([{ reason: "debug", publication: { offset: 2 } }]);
  expect(await call(`/v1/trace?id=${traceId}`)).toMatchObject({
    status: 200,
    id: traceId,
    parts: [{ traceId, publication: { channel: "a.b" }, deliveries: [{ outcome: "delivered" }] }],
  });
  expect(await call("/v1/traces?limit=1")).toMatchObject({ status: 200, parts: [{ traceId }] });
  expect(await call("/v1/slow")).toMatchObject({ status: 200, slow: [] });
  expect(await call("/v1/trace/rules", { action: "remove", id: rule.id })).toMatchObject({
    status: 200,
    rules: [],
  });
  await client.publish("a.b", "after");
  expect(node.collector.traces).toHaveLength(1);
  expect(await call(`/v1/trace?id=${"0".repeat(31)}1`)).toMatchObject({ status: 200, parts: [] });
  expect(await call("/v1/trace?id=x")).toMatchObject({ status: 400 });
  expect(await call("/v1/trace/rules", { ttlMs: 1 })).toMatchObject({ status: 400 });
  expect(await call("/v1/trace/rules", { action: "remove" })).toMatchObject({ status: 400 });
  expect(await call("/v1/trace/rules", { action: "remove", id: "x" })).toMatchObject({
    status: 404,
  });
  expect((await fetch(`${node.httpUrl}/v1/slow`)).status).toBe(401);
});

test("clients are told how often to report, and longer intervals where they are many", async () => {
  await using node = await startTracedBroker({ receiptIntervalMs: 20, slowMs: 77 });
  const clients = await Promise.all(
    Array.from({ length: 5 }, () => ProtocolClient.connect(node.url)),
  );
  expect(clients[0]?.connected?.limits).toMatchObject({ slowMs: 77 });
  const intervals = clients.map(({ connected }) => connected?.limits.receiptIntervalMs ?? 0);
  // 100 receipts a second from all of them.
  expect(intervals.every((ms) => ms >= 20)).toBeTrue();
  expect(Math.max(...intervals)).toBe(50);
  for (const client of clients) await client[Symbol.asyncDispose]();
  await using off = await startTracedBroker({ flightRecorder: 0 });
  await using client = await ProtocolClient.connect(off.url);
  expect(client.connected?.limits.receiptIntervalMs).toBe(0);
});

test("the metrics show stages, traces and the clock, with examples on the buckets", async () => {
  await using node = await startTracedBroker({ traceRate: 1 });
  await using client = await ProtocolClient.connect(node.url);
  await client.subscribe("a");
  await client.publish("a", "x");
  const { traceId } = await node.collector.first();
  const text = async (accept: string): Promise<string> =>
    (await fetch(`${node.httpUrl}/metrics`, { headers: { accept } })).text();
  const plain = await text("text/plain");
  expect(plain).toContain('tickwire_traces_total{reason="head"} 1');
  expect(plain).toMatch(/tickwire_stage_duration_seconds_count\{stage="fanout"\} 1/);
  expect(plain).toContain("tickwire_clock_uncertainty_seconds 0");
  const open = await text("application/openmetrics-text; version=1.0.0");
  expect(open).toMatch(new RegExp(`stage="fanout".*trace_id="${traceId}"`));
});
