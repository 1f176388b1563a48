import { expect, test } from "bun:test";

import type { DeliveryTrace } from "../../../broker/tracing/delivery-trace.ts";
import { readMember } from "../../../broker/tracing/trace-member.ts";
import { failureOf } from "../../support/failure.ts";
import { ProtocolClient } from "../../support/protocol-client.ts";
import { waitUntil } from "../../support/redis/wait.ts";
import { startTracedBroker } from "../../support/traced-broker.ts";
import type { TracedBroker, TracedBrokerOptions } from "../../support/traced-broker.ts";
import { OBEY } from "../transforms/transform-node.ts";

const LIMIT_MS = 60_000;

async function start(input: TracedBrokerOptions): Promise<TracedBroker> {
  const node = await startTracedBroker({ transforms: [OBEY], ...input });
  await waitUntil("the node is ready", () => node.broker.api.health().isReady);
  return node;
}

function times({ ingest, transform, fanOut }: DeliveryTrace): number[] {
  const { enteredMs = 0, startedMs = 0, endedMs = 0 } = transform ?? {};
  return [ingest?.receivedMs ?? 0, enteredMs, startedMs, endedMs, fanOut?.startedMs ?? 0];
}

test(
  "a traced publication tells when it waited for its transform, and when that ran",
  async () => {
    await using node = await start({ traceRate: 1 });
    await using client = await ProtocolClient.connect(node.url);
    await client.subscribe("t.a");
    const { offset } = await client.publish("t.a", "hello");
    const trace = await node.collector.first(({ fanOut }) => fanOut !== null);
    expect(trace).toMatchObject({
      reason: "head",
      publication: { channel: "t.a", offset, publisher: { connection: client.connectionId } },
      transform: {
        stages: [{ name: "obey", version: "1.0.0" }],
        verdict: "publish",
        fault: null,
        attempt: 1,
      },
      deliveries: [{ outcome: "delivered" }],
    });
    const order = times(trace);
    // Two threads tell the time: to the microsecond they need not agree.
    for (const [i, at] of order.entries()) expect(at).toBeGreaterThan((order[i - 1] ?? 0) - 1);
    const { tx_queue: queue, tx_run: run } = node.broker.api.stats.tracing.stages;
    expect([queue.count, run.count]).toEqual([1, 1]);
  },
  LIMIT_MS,
);

test(
  "what a transform makes of it still tells the other nodes when its client published it",
  async () => {
    await using node = await start({ traceRate: 1 });
    await using client = await ProtocolClient.connect(node.url);
    await client.subscribe("t.a");
    const { serverTimeMs } = await client.ping();
    const { offset } = await client.publish("t.a", "hello", { timeMs: serverTimeMs - 40 });
    const trace = await node.collector.first(({ fanOut }) => fanOut !== null);
    const { receivedMs = 0, clientSentMs = 0 } = trace.ingest ?? {};
    expect(receivedMs - clientSentMs).toBeGreaterThan(39);
    await client.untilPublications(1);
    const [publication] = client.publications;
    const told = readMember(publication?.meta?.tracestate ?? null);
    expect([offset, told?.reason]).toEqual([1, "head"]);
    expect(told?.clientSentMs).toBeCloseTo(clientSentMs, 2);
    expect(told?.txRunMs).toBeGreaterThan(0);
  },
  LIMIT_MS,
);

test(
  "a slow transform is named by a trace of its publication, which nobody had chosen",
  async () => {
    await using node = await start({ slowMs: 100 });
    await using client = await ProtocolClient.connect(node.url);
    await client.subscribe("t.a");
    const { offset, epoch } = await client.publish("t.a", "slow 300");
    const isIts = ({ publication }: DeliveryTrace): boolean => publication.offset === offset;
    const trace = await node.collector.first(isIts);
    // One part: on one node, all of it is known when it has gone out.
    expect(node.collector.traces.filter(isIts)).toHaveLength(1);
    expect(trace).toMatchObject({
      reason: "slow",
      publication: { channel: "t.a", offset, epoch },
      transform: { stages: [{ name: "obey" }], verdict: "publish", fault: null },
    });
    const { enteredMs = 0, startedMs = 0, endedMs = 0 } = trace.transform ?? {};
    expect(endedMs - startedMs).toBeGreaterThan(100);
    expect(endedMs - startedMs).toBeGreaterThan(startedMs - enteredMs);
    // It says so to subscribers as well: they can go on with it.
    await client.untilPublications(1);
    expect(client.publications[0]?.meta?.traceparent).toContain(trace.traceId);
  },
  LIMIT_MS,
);

test(
  "a publication its transform failed is traced with the fault",
  async () => {
    await using node = await start({});
    await using client = await ProtocolClient.connect(node.url);
    expect(await failureOf(client.publish("t.a", "fail"))).toMatchObject({ name: "RefusedError" });
    expect(await node.collector.first()).toMatchObject({
      reason: "error",
      publication: { channel: "t.a", offset: 0, publisher: { connection: client.connectionId } },
      ingest: { error: expect.stringMatching(/^transform_/) },
      transform: { verdict: "reject", fault: { message: expect.stringContaining("told to fail") } },
      fanOut: null,
      deliveries: [],
    });
    expect(node.collector.traces).toHaveLength(1);
  },
  LIMIT_MS,
);
