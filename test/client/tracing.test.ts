import { describe, expect, test } from "bun:test";

import { context, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import { AlwaysOffSampler } from "@opentelemetry/sdk-trace";
import * as semconv from "@opentelemetry/semantic-conventions/incubating";

import { createToken } from "../../broker/auth/create-token.ts";
import { TickwireClient } from "../../client/index.ts";
import type { Publication, Subscription } from "../../client/index.ts";
import { ClientAttribute } from "../../client/tracing-attributes.ts";
import { extract, inject } from "../../client/tracing-context.ts";
import { contextOf, traceClient } from "../../client/tracing.ts";
import { Attribute } from "../../otel/attributes.ts";
import { spanIdOf } from "../../protocol/span-id.ts";
import { startBroker } from "../support/broker.ts";
import { InMemorySdk } from "../support/in-memory-sdk.ts";
import { rejection } from "../support/rejection.ts";
import { ALL, TOKEN_SECRET } from "../support/tokens.ts";
import { startTracedBroker } from "../support/traced-broker.ts";

const TRACE_ID = "0af7651916cd43dd8448eb211c80319c";
const PARENT = `00-${TRACE_ID}-b7ad6b7169203331-01`;

/** A clock that was measured with a round trip of this is well known, ms. */
const MARGIN_MS = 4;

/** The next publication of a callback. */
async function handled(
  client: TickwireClient,
  channel: string,
  handle: (publication: Publication) => unknown = () => {},
): Promise<{ readonly got: Promise<Publication>; readonly subscription: Subscription }> {
  const { promise, resolve } = Promise.withResolvers<Publication>();
  const subscription = client.subscribe(channel, {}, (publication) => {
    resolve(publication);
    return handle(publication);
  });
  await subscription.ready();
  return { got: promise, subscription };
}

describe("a traced client", () => {
  test("has a span around publishing, and one around the handler below it", async () => {
    await using sdk = new InMemorySdk();
    await using node = await startBroker();
    await using client = new TickwireClient(node.url);
    const traced = traceClient(client);
    const inside: (string | undefined)[] = [];
    const { got } = await handled(traced, "orders.7", () =>
      inside.push(trace.getActiveSpan()?.spanContext().spanId),
    );
    const { offset, epoch } = await traced.publish("orders.7", { qty: 1 }, { id: "o-7" });
    const { meta } = await got;
    const publish = sdk.span("publish orders.7");
    const process = sdk.span("process orders.7");
    const { traceId, spanId } = publish.spanContext();
    expect(meta?.traceparent).toBe(`00-${traceId}-${spanId}-01`);
    expect([publish.kind, process.kind]).toEqual([SpanKind.PRODUCER, SpanKind.CONSUMER]);
    expect(process.spanContext().traceId).toBe(traceId);
    expect(process.parentSpanContext?.spanId).toBe(spanId);
    expect(inside).toEqual([process.spanContext().spanId]);
    const shared = {
      "messaging.system": "tickwire",
      "messaging.destination.name": "orders.7",
      "messaging.message.id": "o-7",
      "messaging.client.id": client.connection ?? "",
      "tickwire.offset": offset,
      "tickwire.epoch": epoch,
    };
    expect(publish.attributes).toEqual({
      ...shared,
      "messaging.operation.name": "publish",
      "messaging.operation.type": "send",
    });
    expect(process.attributes).toMatchObject({
      ...shared,
      "messaging.operation.name": "process",
      "messaging.operation.type": "process",
    });
  });

  test("joins what the broker tells: its spans lie between the two", async () => {
    await using sdk = new InMemorySdk();
    await using node = await startTracedBroker({ node: "n_one", hasTokens: true });
    const token = await createToken({
      sub: "bot",
      expS: 60,
      key: TOKEN_SECRET,
      ...ALL,
      trace: true,
    });
    await using client = new TickwireClient(node.url, { token });
    const traced = traceClient(client, { template: () => "orders.{id}" });
    const { got } = await handled(traced, "orders.7");
    await traced.publish("orders.7", 1);
    await got;
    const publish = sdk.span("publish orders.{id}").spanContext();
    const told = await node.collector.first();
    expect(told).toMatchObject({
      traceId: publish.traceId,
      reason: "upstream",
      parent: { spanId: publish.spanId },
    });
    const process = sdk.span("process orders.{id}");
    expect(process.parentSpanContext?.spanId).toBe(spanIdOf(publish.traceId, "ingest", "n_one"));
    expect(process.attributes["messaging.destination.template"]).toBe("orders.{id}");
  });

  test("says when it published, once a ping has told it the broker's clock", async () => {
    await using sdk = new InMemorySdk();
    await using node = await startTracedBroker({ hasTokens: true });
    const token = await createToken({
      sub: "bot",
      expS: 60,
      key: TOKEN_SECRET,
      ...ALL,
      trace: true,
    });
    await using client = new TickwireClient(node.url, { token });
    const traced = traceClient(client);
    await client.ready();
    await traced.publish("a", 1);
    // Answers come after that of the ping it sent with the first, and the quickest counts.
    while ((await client.ping()).rttMs > MARGIN_MS);
    const fromMs = client.serverTimeMs ?? Infinity;
    await traced.publish("a", 2);
    traced.send("a", 3);
    await traced.publish("a", 4, { traceparent: PARENT });
    await traced.publish("a", 5, { timeMs: fromMs - 1000 });
    expect(sdk.spans).toHaveLength(4);
    const parts = await node.collector.until(({ ingest }) => ingest !== null, 5);
    const [first, ...others] = parts.map(({ ingest }) => ingest);
    expect(first?.clientSentMs).toBe(0);
    const [, , , own] = others.map(
      (ingest) => (ingest?.receivedMs ?? 0) - (ingest?.clientSentMs ?? 0),
    );
    expect(own).toBeGreaterThan(999);
    for (const ingest of others.slice(0, 3)) {
      expect(ingest?.clientSentMs).toBeGreaterThan(fromMs - MARGIN_MS);
      expect(ingest?.clientSentMs).toBeLessThanOrEqual(ingest?.receivedMs ?? 0);
    }
    expect(node.broker.api.stats.tracing.clockNegative).toBe(0);
  });

  test("says nothing of when it published with what is not sampled", async () => {
    await using sdk = new InMemorySdk();
    await using node = await startTracedBroker({ traceRate: 1 });
    await using client = new TickwireClient(node.url);
    const traced = traceClient(client);
    for (const value of [1, 2]) {
      await traced.publish("a", value, { traceparent: PARENT.replace(/01$/, "00") });
      await client.ping();
    }
    const parts = await node.collector.until(({ ingest }) => ingest !== null, 2);
    expect(parts.map(({ ingest }) => ingest?.clientSentMs)).toEqual([0, 0]);
    expect(sdk.spans).toEqual([]);
  });

  test("has a span for each turn of a loop, which ends when the next is asked for", async () => {
    await using sdk = new InMemorySdk();
    await using node = await startBroker();
    await using client = new TickwireClient(node.url);
    const traced = traceClient(client);
    const subscription = traced.subscribe("a");
    await subscription.ready();
    await traced.publish("a", 1);
    await traced.publish("a", 2);
    const children: string[] = [];
    for await (const publication of subscription) {
      const child = trace.getTracer("app").startSpan("work", {}, contextOf(publication));
      children.push(child.spanContext().traceId);
      child.end();
      expect(sdk.spans.filter(({ name }) => name === "process a")).toHaveLength(
        publication.offset - 1,
      );
      if (publication.offset === 2) break;
    }
    const processed = sdk.spans.filter(({ name }) => name === "process a");
    expect(processed.map((span) => span.spanContext().traceId)).toEqual(children);
    expect(new Set(children).size).toBe(2);
    const works = sdk.spans.filter(({ name }) => name === "work");
    expect(works.map(({ parentSpanContext }) => parentSpanContext?.spanId)).toEqual(
      processed.map((span) => span.spanContext().spanId),
    );
  });

  test("ends the span of an async handler with its promise", async () => {
    await using sdk = new InMemorySdk();
    await using node = await startBroker();
    await using client = new TickwireClient(node.url);
    const traced = traceClient(client);
    const { promise: permit, resolve: permitted } = Promise.withResolvers<void>();
    const { got } = await handled(traced, "a", () => permit);
    await traced.publish("a", 1);
    await got;
    await client.ping();
    expect(sdk.spans.map(({ name }) => name)).toEqual(["publish a"]);
    permitted();
    await permit;
    expect(sdk.span("process a").status.code).toBe(SpanStatusCode.UNSET);
  });

  test("tells of a handler that throws, and lets the client report it", async () => {
    await using sdk = new InMemorySdk();
    await using node = await startBroker();
    await using client = new TickwireClient(node.url);
    const failed = new Promise<unknown>((resolve) => client.on("error", resolve));
    const traced = traceClient(client);
    const { got } = await handled(traced, "a", () => {
      throw new TypeError("bad");
    });
    await traced.publish("a", 1);
    await got;
    expect(await failed).toMatchObject({ code: "listener_failed" });
    expect(sdk.span("process a").status.code).toBe(SpanStatusCode.ERROR);
  });

  test("tells of a publication that is refused, by its code", async () => {
    await using sdk = new InMemorySdk();
    await using node = await startBroker({ maxPayloadBytes: 1024 });
    await using client = new TickwireClient(node.url);
    const traced = traceClient(client);
    await client.ready();
    const error = await rejection(traced.publish("a", new Uint8Array(2000)));
    const publish = sdk.span("publish a");
    expect(publish.attributes["error.type"]).toBe((error as Error & { code: string }).code);
    expect(publish.status.code).toBe(SpanStatusCode.ERROR);
    expect(() => traced.send("a b", 1)).toThrow();
    expect(sdk.span("publish a b").attributes["error.type"]).toBe("bad_channel");
  });

  test("goes on with the application's own span", async () => {
    await using sdk = new InMemorySdk();
    await using node = await startBroker();
    await using client = new TickwireClient(node.url);
    const parent = trace.getTracer("app").startSpan("request");
    const isSent = context.with(trace.setSpan(context.active(), parent), () =>
      traceClient(client).send("a", 1),
    );
    expect(isSent).toBe(true);
    expect(sdk.span("publish a").parentSpanContext?.spanId).toBe(parent.spanContext().spanId);
  });

  test("leaves alone what is not sampled, and a context the application gives", async () => {
    await using sdk = new InMemorySdk(new AlwaysOffSampler());
    await using node = await startBroker();
    await using client = new TickwireClient(node.url);
    const traced = traceClient(client);
    const first = await handled(traced, "a");
    await traced.publish("a", 1);
    expect((await first.got).meta).toBeNull();
    first.subscription.unsubscribe();
    const second = await handled(traced, "b");
    await traced.publish("b", 2, { traceparent: PARENT });
    expect((await second.got).meta?.traceparent).toBe(PARENT);
    expect(sdk.spans).toEqual([]);
  });

  test("is the client it was made from where nothing is traced", async () => {
    await using node = await startBroker();
    await using traced = traceClient(new TickwireClient(node.url));
    expect(traced).toBeInstanceOf(TickwireClient);
    const { got } = await handled(traced, "a");
    await traced.publish("a", 1);
    // No SDK is registered.
    expect((await got).meta).toBeNull();
    expect(traced.state).toBe("connected");
    expect((await traced.history("a", { limit: 0 })).publications).toEqual([]);
    expect(await traced.ping()).toMatchObject({ rttMs: expect.any(Number) });
  });
});

describe("a context", () => {
  test("is read as it was written", () => {
    const meta = { traceparent: PARENT, tracestate: "vendor=1" };
    const span = trace.getSpanContext(extract(meta) as ReturnType<typeof context.active>);
    expect(span).toMatchObject({ traceId: TRACE_ID, traceFlags: 1, isRemote: true });
    expect(inject(span as NonNullable<typeof span>)).toEqual(meta);
  });

  test("whose state is too long goes without it", () => {
    const state = `vendor=${"x".repeat(255)},other=${"y".repeat(255)}`;
    const found = extract({ traceparent: PARENT, tracestate: state });
    const span = trace.getSpanContext(found as ReturnType<typeof context.active>);
    expect(span?.traceState).toBeUndefined();
  });

  test.each([null, "", "nonsense", `${PARENT}-more`, PARENT.replace(TRACE_ID, "0".repeat(32))])(
    "that is %p is none",
    (traceparent) => {
      expect(extract({ traceparent, tracestate: null })).toBeNull();
    },
  );
});

test("attributes are named by the conventions, and as the broker names them", () => {
  const conventions = new Set<unknown>(Object.values(semconv));
  const ours = new Set<string>(Object.values(Attribute));
  for (const name of Object.values(ClientAttribute)) {
    expect([name, ours.has(name)]).toEqual([name, true]);
    if (!name.startsWith("tickwire.")) expect([name, conventions.has(name)]).toEqual([name, true]);
  }
});

test("pages can load it: it asks for the API of OpenTelemetry and nothing else", async () => {
  const entry = new URL("../../client/tracing.ts", import.meta.url).pathname;
  const result = await Bun.build({
    entrypoints: [entry],
    target: "browser",
    minify: true,
    external: ["@opentelemetry/api"],
  });
  const code = (await result.outputs[0]?.text()) ?? "";
  expect(new Set(code.match(/from"[^"]+"/g))).toEqual(new Set(['from"@opentelemetry/api"']));
  expect(code.match(/\brequire\(|"node:|\bBun\b|\bprocess\./g)).toBeNull();
  expect(Bun.gzipSync(new TextEncoder().encode(code)).length).toBeLessThan(3000);
});
