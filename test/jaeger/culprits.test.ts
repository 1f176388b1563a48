import { describe, expect, test } from "bun:test";
import { fileURLToPath } from "node:url";

import { TickwireClient, TickwireError } from "../../client/index.ts";
import { FaultProxy } from "../support/fault-proxy.ts";
import type { FoundSpan } from "../support/otlp/jaeger-query.ts";
import { startTraceBackend } from "../support/otlp/trace-backend.ts";
import {
  hasSpans,
  orphansOf,
  spanNamed,
  startTracedBroker,
  TracedSubscriber,
} from "../support/otlp/traced-broker.ts";
import { subscribeFrame } from "../support/protocol-client.ts";
import { describeWithRedis } from "../support/redis/binary.ts";
import { startRedis } from "../support/redis/start-redis.ts";
import { StallingClient } from "../support/stalling-client.ts";

/**
 * What an SRE does: searches for deliveries over budget, and reads from one span where the time went. Nothing is
 * sampled: what is found was traced because it was slow, failed or lost.
 */
const SLOW_MS = 100;
const BUSY = fileURLToPath(new URL("fixtures/busy.ts", import.meta.url));

/** A payload as it is, which no codec of the client touches. */
function text(value: string): Uint8Array {
  return new TextEncoder().encode(value);
}

/** The part of a delivery that took the longest. */
function longestPart({ attributes }: FoundSpan): string {
  const parts = Object.entries(attributes).filter(([name]) => name.startsWith("tickwire.lat."));
  const [longest] = parts.toSorted(([, a], [, b]) => Number(b) - Number(a));
  return longest?.[0] ?? "";
}

describe("a slow transform", () => {
  test("is named by the delivery, and by its own span", async () => {
    await using backend = startTraceBackend();
    const { query, service } = backend;
    const transforms = [{ use: BUSY, channels: ["work.>"], onError: "nack" }];
    await using broker = await startTracedBroker(backend, {
      namespaces: [{ pattern: "work.>", slowMs: SLOW_MS }],
      args: ["--transforms", JSON.stringify(transforms)],
    });
    await using subscriber = await TracedSubscriber.start(broker.url, "work.a");
    await using publisher = new TickwireClient(broker.url);
    await publisher.publish("work.a", text("0"));
    await publisher.publish("work.a", text("300"));
    await subscriber.count(2);
    const found = await query.until(
      (jaeger) =>
        jaeger.find({
          service,
          operation: "deliver work.>",
          durationMin: `${SLOW_MS}ms`,
          attributes: { "tickwire.sample.reason": "slow" },
        }),
      (traces) => [...traces.values()].some((spans) => hasSpans(spans, "transform.run busy")),
    );
    expect(found.size).toBe(1);
    const [spans = []] = [...found.values()];
    const deliver = spanNamed(spans, "deliver work.>");
    expect(longestPart(deliver)).toBe("tickwire.lat.tx_run_ms");
    const run = spanNamed(spans, "transform.run busy");
    expect(run.durationMs).toBeGreaterThanOrEqual(299);
    expect(run.attributes).toMatchObject({
      "tickwire.transform.stages": ["busy"],
      "tickwire.transform.versions": ["2.1.0"],
    });
    expect(spanNamed(spans, "transform busy").spanId).toBe(run.parentSpanId ?? "");
  });

  test("that fails is an error that says why", async () => {
    await using backend = startTraceBackend();
    const { query, service } = backend;
    const transforms = [{ use: BUSY, channels: ["work.>"], onError: "nack" }];
    await using broker = await startTracedBroker(backend, {
      namespaces: [{ pattern: "work.>", slowMs: 0 }],
      args: ["--transforms", JSON.stringify(transforms)],
    });
    await using publisher = new TickwireClient(broker.url);
    const refused = await publisher
      .publish("work.a", text("soon"))
      .catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(TickwireError);
    const found = await query.until(
      (jaeger) =>
        jaeger.find({ service, operation: "transform busy", attributes: { error: "true" } }),
      (traces) => traces.size > 0,
    );
    const [spans = []] = [...found.values()];
    const transform = spanNamed(spans, "transform busy");
    expect(transform.isError).toBe(true);
    expect(transform.attributes["tickwire.sample.reason"]).toBe("error");
    expect(transform.events[0]?.attributes["exception.message"]).toContain("not a number");
    const ingest = spanNamed(spans, "ingest work.>");
    expect([ingest.isError, ingest.attributes["error.type"]]).toEqual([true, "transform_rejected"]);
  });
});

describe("a stalled subscriber", () => {
  test("is named by the delivery it lost, while another gets everything", async () => {
    await using backend = startTraceBackend();
    const { query, service } = backend;
    await using broker = await startTracedBroker(backend, {
      namespaces: [{ pattern: "feed.>", slowMs: 0 }],
      args: ["--outbound-bytes", "262144"],
    });
    await using fast = await TracedSubscriber.start(broker.url, "feed.a");
    await using stalled = await StallingClient.connect(broker.url);
    stalled.send(subscribeFrame(2, "feed.a"));
    await stalled.until(() => stalled.frames.length === 2);
    stalled.socket.pause();
    await using publisher = new TickwireClient(broker.url);
    const payload = new Uint8Array(32 * 1024);
    const isClosed = async (): Promise<boolean> => {
      const metrics = await (await fetch(`${broker.httpUrl}/metrics`)).text();
      return /^tickwire_drops_total\{reason="slow"\} [1-9]/m.test(metrics);
    };
    let count = 0;
    while (!(await isClosed())) {
      for (let i = 0; i < 20; i++) await publisher.publish("feed.a", payload);
      count += 20;
    }
    await fast.count(count);
    const found = await query.until(
      (jaeger) =>
        jaeger.find({
          service,
          operation: "deliver feed.>",
          attributes: { error: "true", "tickwire.outcome": "dropped" },
        }),
      (traces) => traces.size > 0,
    );
    const deliveries = [...found.values()]
      .flat()
      .filter(({ name, isError }) => name === "deliver feed.>" && isError);
    const connections = new Set(
      deliveries.map(({ attributes }) => attributes["messaging.client.id"]),
    );
    expect(connections.size).toBe(1);
    expect(deliveries[0]?.attributes).toMatchObject({
      "tickwire.outcome": "dropped",
      "tickwire.drop.reason": "slow",
      "error.type": "slow",
      "tickwire.sample.reason": "drop",
    });
    expect(Number(deliveries[0]?.attributes["tickwire.outbound.queued_bytes"])).toBeGreaterThan(0);
  });

  test("that goes on reading late shows that it waited for its socket", async () => {
    await using backend = startTraceBackend();
    const { query, service } = backend;
    await using broker = await startTracedBroker(backend, {
      namespaces: [{ pattern: "feed.>", slowMs: SLOW_MS }],
      args: ["--outbound-bytes", "67108864"],
    });
    await using stalled = await StallingClient.connect(broker.url);
    stalled.send(subscribeFrame(2, "feed.a"));
    await stalled.until(() => stalled.frames.length === 2);
    stalled.socket.pause();
    await using publisher = new TickwireClient(broker.url);
    const payload = new Uint8Array(32 * 1024);
    const queuedBytes = async (): Promise<number> => {
      const metrics = await (await fetch(`${broker.httpUrl}/metrics`)).text();
      return Number(/^tickwire_outbound_queued_bytes (\d+)$/m.exec(metrics)?.[1] ?? 0);
    };
    let count = 0;
    while ((await queuedBytes()) < 1e6) {
      await publisher.publish("feed.a", payload);
      count++;
    }
    // It reads on only after it has been behind for longer than the budget.
    const behindMs = performance.now();
    while (performance.now() - behindMs < 2 * SLOW_MS) await queuedBytes();
    stalled.socket.resume();
    await stalled.until(() => stalled.publications.length === count);
    const found = await query.until(
      (jaeger) =>
        jaeger.find({
          service,
          operation: "deliver feed.>",
          durationMin: `${SLOW_MS}ms`,
          attributes: { "tickwire.outcome": "late" },
        }),
      (traces) => traces.size > 0,
    );
    const [spans = []] = [...found.values()];
    const deliver = spanNamed(spans, "deliver feed.>");
    expect(longestPart(deliver)).toBe("tickwire.lat.socket_ms");
    expect(deliver.isError).toBe(false);
  });
});

describeWithRedis("a slow transform of another node", () => {
  test.each([
    ["chosen for being slow", { slowMs: SLOW_MS }, 0],
    ["chosen for being slow, without history", { slowMs: SLOW_MS, historySize: 0 }, 0],
    ["sampled", { slowMs: 0, traceRate: 1 }, 1],
  ])("is in the delivery's own duration: %s", async (_name, options, warmUps) => {
    await using redis = await startRedis();
    await using backend = startTraceBackend();
    const { query, service } = backend;
    const namespaces = [{ pattern: "work.>", historySize: 10, ...options }];
    const transforms = [{ use: BUSY, channels: ["work.>"], onError: "nack" }];
    const args = ["--redis", redis.url, "--transforms", JSON.stringify(transforms)];
    const start = (node: string) =>
      startTracedBroker(backend, { namespaces, args: [...args, "--node", node] });
    await using near = await start("near");
    await using far = await start("far");
    await using subscriber = await TracedSubscriber.start(far.url, "work.a");
    await using publisher = new TickwireClient(near.url);
    for (let i = 0; i < warmUps; i++) await publisher.publish("work.a", text("0"));
    // An id gives it meta of its own, which the trace must go along with.
    await publisher.publish("work.a", text("300"), { id: "p1" });
    await subscriber.count(warmUps + 1);
    const found = await query.until(
      (jaeger) =>
        jaeger.find({
          service,
          operation: "deliver work.>",
          durationMin: "299ms",
          attributes: { "resource.tickwire.node.id": "far" },
        }),
      (traces) =>
        [...traces.values()].some(
          (spans) =>
            hasSpans(spans, "transform.run busy", "deliver work.>") &&
            spans.some(({ name }) => name.startsWith("bus.publish")),
        ),
    );
    const [spans = []] = [...found.values()];
    const deliver = spanNamed(spans, "deliver work.>");
    const run = spanNamed(spans, "transform.run busy");
    expect(deliver.resource["tickwire.node.id"]).toBe("far");
    expect(run.resource["tickwire.node.id"]).toBe("near");
    expect(longestPart(deliver)).toBe("tickwire.lat.tx_run_ms");
    // The span's times are told in ns, what travels in whole µs.
    expect(deliver.attributes["tickwire.lat.tx_run_ms"]).toBeCloseTo(run.durationMs, 1);
    expect(deliver.durationMs).toBeGreaterThanOrEqual(run.durationMs - 0.01);
    expect(deliver.startMs).toBeCloseTo(spanNamed(spans, "ingest work.>").startMs, 1);
    expect(orphansOf(spans)).toEqual([]);
  });

  test("is in it as well when the publication has a context that is not trusted", async () => {
    await using redis = await startRedis();
    await using backend = startTraceBackend();
    const { query, service } = backend;
    const namespaces = [{ pattern: "work.>", historySize: 10, slowMs: SLOW_MS }];
    const transforms = [{ use: BUSY, channels: ["work.>"], onError: "nack" }];
    const args = ["--redis", redis.url, "--transforms", JSON.stringify(transforms)];
    const start = (node: string) =>
      startTracedBroker(backend, { namespaces, args: [...args, "--node", node] });
    await using near = await start("near");
    await using far = await start("far");
    await using subscriber = await TracedSubscriber.start(far.url, "work.a");
    await using publisher = new TickwireClient(near.url);
    const foreignId = crypto.randomUUID().replaceAll("-", "");
    const traceparent = `00-${foreignId}-b7ad6b7169203331-01`;
    const context = { traceparent, tracestate: "vendor=1" };
    await publisher.publish("work.a", text("300"), context);
    await subscriber.count(1);
    // W3C: neither is changed without the other.
    expect(subscriber.publications[0]?.meta).toMatchObject(context);
    const found = await query.until(
      (jaeger) => jaeger.find({ service, operation: "deliver work.>", durationMin: "290ms" }),
      (traces) => [...traces.values()].some((spans) => hasSpans(spans, "transform.run busy")),
    );
    const [[traceId, spans] = ["", []]] = [...found];
    expect(traceId).not.toBe(foreignId);
    expect(spanNamed(spans, "deliver work.>").resource["tickwire.node.id"]).toBe("far");
    expect(orphansOf(spans)).toEqual([]);
  });
});

describeWithRedis("a slow Redis", () => {
  test("is named by the delivery, and by the spans of the bus", async () => {
    await using redis = await startRedis();
    await using proxy = await FaultProxy.start(Number(new URL(redis.url).port));
    await using backend = startTraceBackend();
    const { query, service } = backend;
    await using broker = await startTracedBroker(backend, {
      namespaces: [{ pattern: "market.>", slowMs: SLOW_MS, historySize: 10 }],
      args: ["--redis", `redis://127.0.0.1:${proxy.port}`],
    });
    await using subscriber = await TracedSubscriber.start(broker.url, "market.btc");
    await using publisher = new TickwireClient(broker.url);
    await publisher.publish("market.btc", 1);
    await subscriber.count(1);
    proxy.delay(150);
    await publisher.publish("market.btc", 2);
    await subscriber.count(2);
    proxy.heal();
    const found = await query.until(
      (jaeger) =>
        jaeger.find({
          service,
          operation: "deliver market.>",
          durationMin: `${SLOW_MS}ms`,
          attributes: { "tickwire.sample.reason": "slow" },
        }),
      (traces) =>
        [...traces.values()].some((spans) =>
          spans.some(({ name }) => name.startsWith("bus.receive")),
        ),
    );
    const [spans = []] = [...found.values()];
    const deliver = spanNamed(spans, "deliver market.>");
    expect(longestPart(deliver)).toBe("tickwire.lat.bus_ms");
    const receive = spans.find(({ name }) => name.startsWith("bus.receive"));
    expect(Number(receive?.attributes["tickwire.bus.transit_ms"])).toBeGreaterThanOrEqual(SLOW_MS);
    expect(receive?.attributes["db.system.name"]).toBe("redis");
  });

  test.each([0, 10])(
    "far away: the late trace has the part of the node that published too, history %d",
    async (historySize) => {
      await using redis = await startRedis();
      await using proxy = await FaultProxy.start(Number(new URL(redis.url).port));
      await using backend = startTraceBackend();
      const { query, service } = backend;
      const namespaces = [{ pattern: "market.>", slowMs: SLOW_MS, historySize }];
      const start = (node: string, url: string) =>
        startTracedBroker(backend, { namespaces, args: ["--redis", url, "--node", node] });
      await using near = await start("near", redis.url);
      await using far = await start("far", `redis://127.0.0.1:${proxy.port}`);
      await using subscriber = await TracedSubscriber.start(far.url, "market.btc");
      await using publisher = new TickwireClient(near.url);
      await publisher.publish("market.btc", 1);
      await subscriber.count(1);
      proxy.delay(150);
      await publisher.publish("market.btc", 2);
      await subscriber.count(2);
      proxy.heal();
      const found = await query.until(
        (jaeger) =>
          jaeger.find({
            service,
            operation: "deliver market.>",
            durationMin: `${SLOW_MS}ms`,
            attributes: { "resource.tickwire.node.id": "far" },
          }),
        (traces) => [...traces.values()].some((spans) => hasSpans(spans, "ingest market.>")),
      );
      const [spans = []] = [...found.values()];
      expect(longestPart(spanNamed(spans, "deliver market.>"))).toBe("tickwire.lat.bus_ms");
      expect(spanNamed(spans, "ingest market.>").resource["tickwire.node.id"]).toBe("near");
      expect(orphansOf(spans)).toEqual([]);
    },
  );
});
