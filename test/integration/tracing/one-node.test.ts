import { expect, test } from "bun:test";

import { createToken } from "../../../broker/auth/create-token.ts";
import type { DeliveryTrace } from "../../../broker/tracing/delivery-trace.ts";
import { metaField } from "../../../protocol/messages/meta.ts";
import { spanIdOf } from "../../../protocol/span-id.ts";
import { parseTraceparent } from "../../../protocol/trace-context.ts";
import { ProtocolClient } from "../../support/protocol-client.ts";
import { ALL, signToken, TOKEN_SECRET } from "../../support/tokens.ts";
import { startTracedBroker } from "../../support/traced-broker.ts";

const CONTEXT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/** Stamps of one node, in the order they must be in. */
function stampsOf({ ingest, fanOut, deliveries }: DeliveryTrace): number[] {
  return [
    ingest?.receivedMs ?? 0,
    ingest?.acceptedMs ?? 0,
    fanOut?.startedMs ?? 0,
    fanOut?.endedMs ?? 0,
    deliveries[0]?.handedOverMs ?? 0,
  ];
}

test("a publication chosen by its rate is traced from ingest to socket", async () => {
  await using node = await startTracedBroker({ traceRate: 1, node: "n_one" });
  await using subscriber = await ProtocolClient.connect(node.url, { name: "sub" });
  await using publisher = await ProtocolClient.connect(node.url);
  await subscriber.subscribe("market.eur");
  const { offset, epoch } = await publisher.publish("market.eur", "1.07");
  const trace = await node.collector.first();
  expect(trace).toMatchObject({
    reason: "head",
    node: "n_one",
    parent: null,
    link: null,
    publication: {
      channel: "market.eur",
      namespace: ">",
      epoch,
      offset,
      payloadBytes: 4,
      publisher: { connection: publisher.connectionId, user: null },
    },
    busSend: null,
    busReceive: null,
    transform: null,
    fanOut: { subscribers: 1, delivered: 1, queued: 0, dropped: 0, batchSize: 1, anomalies: [] },
    deliveries: [
      { connection: subscriber.connectionId, client: "sub", outcome: "delivered", queuedBytes: 0 },
    ],
  });
  const stamps = stampsOf(trace);
  expect(stamps).toEqual(stamps.toSorted((a, b) => a - b));
  expect(stamps[0]).toBeGreaterThan(1_600_000_000_000);
});

test("its context reaches the subscriber, below the broker's own span", async () => {
  await using node = await startTracedBroker({ traceRate: 1, node: "n_one" });
  await using subscriber = await ProtocolClient.connect(node.url);
  await subscriber.subscribe("a");
  await subscriber.publish("a", "x");
  await subscriber.untilPublications(1);
  const [push] = subscriber.publications;
  const trace = await node.collector.first();
  const context = parseTraceparent(push?.meta?.traceparent ?? "");
  expect(context).toMatchObject({ traceId: trace.traceId, flags: 1 });
  expect(context?.spanId).toBe(spanIdOf(trace.traceId, "ingest", "n_one"));
  // It had no meta: who published is not told because somebody traces.
  expect(push?.meta).toMatchObject({
    user: null,
    tracestate: expect.stringMatching(/^tickwire=head;t:[0-9a-z]+$/),
  });
});

test("without a rate nothing is traced, and publications stay as small as they were", async () => {
  await using node = await startTracedBroker();
  await using subscriber = await ProtocolClient.connect(node.url);
  await subscriber.subscribe("a");
  for (let i = 0; i < 100; i++) subscriber.post("a", "x");
  await subscriber.untilPublications(100);
  expect(subscriber.publications.every(({ meta }) => meta === null)).toBeTrue();
  expect(node.collector.traces).toEqual([]);
});

test("a rate is kept exactly over many publications", async () => {
  await using node = await startTracedBroker({ traceRate: 0.01 });
  await using client = await ProtocolClient.connect(node.url);
  await client.subscribe("a");
  for (let i = 0; i < 2000; i++) client.post("a", "x");
  await client.untilPublications(2000);
  expect(node.collector.traces.length).toBeGreaterThanOrEqual(19);
  expect(node.collector.traces.length).toBeLessThanOrEqual(21);
});

test("a sampled context of a trusted publisher is gone on with", async () => {
  await using node = await startTracedBroker({ node: "n_one", hasTokens: true });
  const token = await createToken({ sub: "bot", expS: 60, key: TOKEN_SECRET, ...ALL, trace: true });
  await using client = await ProtocolClient.connect(node.url, { token });
  await client.subscribe("a");
  await client.publish("a", "x", { traceparent: CONTEXT, tracestate: "vendor=1" });
  const trace = await node.collector.first();
  expect(trace).toMatchObject({
    reason: "upstream",
    traceId: "0af7651916cd43dd8448eb211c80319c",
    parent: { spanId: "b7ad6b7169203331", flags: 1, state: "vendor=1" },
    link: null,
    publication: { publisher: { user: "bot" } },
  });
  await client.untilPublications(1);
  const meta = client.publications[0]?.meta;
  expect(meta).toMatchObject({
    user: "bot",
    tracestate: expect.stringMatching(/^tickwire=upstream;t:[0-9a-z]+,vendor=1$/),
  });
  expect(parseTraceparent(meta?.traceparent ?? "")?.spanId).toBe(
    spanIdOf(trace.traceId, "ingest", "n_one"),
  );
});

test("one that is not trusted goes to subscribers as it is, and starts nothing", async () => {
  await using node = await startTracedBroker({ hasTokens: true });
  await using client = await ProtocolClient.connect(node.url, {
    token: await signToken("ann", ALL),
  });
  await client.subscribe("a");
  await client.publish("a", "x", { traceparent: CONTEXT, tracestate: "vendor=1" });
  await client.untilPublications(1);
  const meta = client.publications[0]?.meta;
  expect(meta).toMatchObject({ traceparent: CONTEXT, tracestate: "vendor=1" });
  expect(node.collector.traces).toEqual([]);
});

test("where its publication is chosen by rate, our trace only links to it", async () => {
  await using node = await startTracedBroker({ hasTokens: true, traceRate: 1 });
  await using client = await ProtocolClient.connect(node.url, {
    token: await signToken("ann", ALL),
  });
  await client.subscribe("a");
  await client.publish("a", "x", { traceparent: CONTEXT });
  await client.untilPublications(1);
  expect(client.publications[0]?.meta?.traceparent).toBe(CONTEXT);
  const trace = await node.collector.first();
  expect(trace).toMatchObject({
    reason: "head",
    parent: null,
    link: { spanId: "b7ad6b7169203331" },
  });
  expect(trace.traceId).not.toBe("0af7651916cd43dd8448eb211c80319c");
});

test.each([
  "",
  "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
  "00-00000000000000000000000000000000-b7ad6b7169203331-01",
  "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
  "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
  "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
  `${CONTEXT}-more`,
  "\0".repeat(55),
])("a malformed context is nobody's error and starts nothing: %j", async (traceparent) => {
  await using node = await startTracedBroker({ hasTokens: true });
  const token = await createToken({ sub: "bot", expS: 60, key: TOKEN_SECRET, ...ALL, trace: true });
  await using client = await ProtocolClient.connect(node.url, { token });
  await client.subscribe("a");
  await client.publish("a", "x", { traceparent });
  await client.untilPublications(1);
  expect(client.publications[0]?.meta?.traceparent).toBe(traceparent);
  expect(node.collector.traces).toEqual([]);
});

test("meta that is full already goes untraced rather than refused", async () => {
  await using node = await startTracedBroker({ hasTokens: true, traceRate: 1 });
  await using client = await ProtocolClient.connect(node.url, {
    token: await signToken("ann", ALL),
  });
  await client.subscribe("a");
  const headers = new Map(["a", "b", "c"].map((name) => [name, "x".repeat(1010)]));
  const more = new Map([...headers, ["d", "y".repeat(960)]]);
  await client.publish("a", "x", { headers: more });
  await client.untilPublications(1);
  expect(client.publications[0]?.meta?.headers?.size).toBe(4);
  expect(node.collector.traces).toEqual([]);
});

test("HTTP publishers hand their context over in the header", async () => {
  await using node = await startTracedBroker({ hasTokens: true, apiKeys: ["0123456789abcdef"] });
  const publish = (authorization: string): Promise<Response> =>
    fetch(`${node.httpUrl}/v1/publish`, {
      method: "POST",
      headers: { authorization, traceparent: CONTEXT, "content-type": "application/json" },
      body: JSON.stringify({ channel: "a", payload: "x" }),
    });
  const untrusted = await signToken("ann", ALL);
  expect((await publish(`Bearer ${untrusted}`)).status).toBe(200);
  expect((await publish("Bearer 0123456789abcdef")).status).toBe(200);
  const trace = await node.collector.first();
  expect(trace).toMatchObject({ reason: "upstream", publication: { offset: 2, publisher: null } });
  expect(node.collector.traces).toHaveLength(1);
});

test("meta of a traced publication is the wire's own form", async () => {
  await using node = await startTracedBroker({ traceRate: 1 });
  await using client = await ProtocolClient.connect(node.url, { format: "json" });
  await client.subscribe("a");
  await client.publish("a", "x", { id: "p1", key: "k" });
  await client.untilPublications(1);
  const meta = client.publications[0]?.meta;
  expect(meta).toMatchObject({ id: "p1", key: "k" });
  expect(metaField([meta?.id, meta?.key, null, meta?.traceparent]).traceparent).not.toBeNull();
  expect(await node.collector.first()).toMatchObject({ publication: { id: "p1" } });
});
