import { expect, test } from "bun:test";

import { TickwireClient } from "../../client/index.ts";
import { startTraceBackend } from "../support/otlp/trace-backend.ts";
import {
  hasSpans,
  orphansOf,
  spanNamed,
  startTracedBroker,
  TracedSubscriber,
} from "../support/otlp/traced-broker.ts";
import { ProtocolClient } from "../support/protocol-client.ts";
import { describeWithRedis } from "../support/redis/binary.ts";
import { startRedis } from "../support/redis/start-redis.ts";

/** Nodes keep each other's clocks within this on one machine, ms. */
const CLOCK_MARGIN_MS = 5;
/** How long before it was sent a publication says to have been published, ms. */
const SENT_AGO_MS = 40;

describeWithRedis("over Redis", () => {
  test.each([0, 100])(
    "one trace goes from the publisher on one node to the subscriber on another, history %d",
    async (historySize) => {
      await using redis = await startRedis();
      await using backend = startTraceBackend();
      const { query, service } = backend;
      const namespaces = [{ pattern: "market.>", traceRate: 1, historySize }];
      const redisArgs = ["--redis", redis.url];
      const start = (node: string) =>
        startTracedBroker(backend, { namespaces, args: [...redisArgs, "--node", node] });
      await using near = await start("near");
      await using far = await start("far");
      await using subscriber = await TracedSubscriber.start(far.url, "market.btc");
      await using publisher = new TickwireClient(near.url);
      await publisher.publish("market.btc", { price: 1 });
      await subscriber.count(1);

      const found = await query.until(
        (jaeger) => jaeger.find({ service, operation: "deliver market.>" }),
        (traces) =>
          [...traces.values()].some(
            (spans) =>
              hasSpans(spans, "ingest market.>", "fanout market.>") &&
              spans.some(({ name }) => name.startsWith("bus.publish")),
          ),
      );
      expect(found.size).toBe(1);
      const [[traceId, spans] = ["", []]] = [...found];
      const partition = spans
        .find(({ name }) => name.startsWith("bus.publish"))
        ?.name.split(" ")[1];
      const ingest = spanNamed(spans, "ingest market.>");
      const busPublish = spanNamed(spans, `bus.publish ${partition}`);
      const busReceive = spanNamed(spans, `bus.receive ${partition}`);
      const fanOut = spanNamed(spans, "fanout market.>");
      const deliver = spanNamed(spans, "deliver market.>");

      const nodeOf = ({ resource }: typeof ingest) => resource["tickwire.node.id"];
      expect([ingest, busPublish].map(nodeOf)).toEqual(["near", "near"]);
      expect([busReceive, fanOut, deliver].map(nodeOf)).toEqual(["far", "far", "far"]);
      expect(orphansOf(spans)).toEqual([]);
      expect([busPublish.kind, busPublish.parentSpanId]).toEqual(["producer", ingest.spanId]);
      expect([busReceive.kind, busReceive.parentSpanId]).toEqual(["consumer", busPublish.spanId]);
      expect(fanOut.parentSpanId).toBe(busReceive.spanId);
      expect(deliver.parentSpanId).toBe(ingest.spanId);
      expect(deliver.links).toEqual([{ traceId, spanId: fanOut.spanId }]);
      expect(busPublish.attributes).toMatchObject({
        "messaging.destination.partition.id": partition,
        "db.system.name": "redis",
        "tickwire.bus.queue_ms": expect.any(Number),
      });
      expect(busReceive.attributes).toMatchObject({
        "tickwire.bus.from_node": "near",
        "tickwire.bus.transit_ms": expect.any(Number),
      });
      // In order, as far as two clocks can tell.
      const starts = [ingest, busPublish, busReceive, fanOut].map(({ startMs }) => startMs);
      for (const [i, startMs] of starts.entries()) {
        expect(startMs).toBeGreaterThanOrEqual((starts[i - 1] ?? 0) - CLOCK_MARGIN_MS);
      }
      expect(subscriber.publications[0]?.meta?.traceparent).toBe(
        `00-${traceId}-${ingest.spanId}-01`,
      );
      // The hop of one node can be searched for.
      const ofFar = await query.find({
        service,
        operation: `bus.receive ${partition}`,
        attributes: { "resource.tickwire.node.id": "far" },
      });
      expect([...ofFar.keys()]).toEqual([traceId]);
    },
  );

  test.each([0, 100])(
    "a delivery on the other node tells what the publisher's own part was, history %d",
    async (historySize) => {
      await using redis = await startRedis();
      await using backend = startTraceBackend();
      const { query, service } = backend;
      const namespaces = [{ pattern: "market.>", traceRate: 1, historySize }];
      const start = (node: string) =>
        startTracedBroker(backend, {
          namespaces,
          args: ["--redis", redis.url, "--node", node],
        });
      await using near = await start("near");
      await using far = await start("far");
      await using subscriber = await TracedSubscriber.start(far.url, "market.btc");
      await using publisher = await ProtocolClient.connect(near.url);
      const { serverTimeMs } = await publisher.ping();
      await publisher.publish("market.btc", "1", { timeMs: serverTimeMs - SENT_AGO_MS });
      await subscriber.count(1);
      const found = await query.until(
        (jaeger) => jaeger.find({ service, operation: "deliver market.>" }),
        (traces) =>
          [...traces.values()].some((spans) =>
            hasSpans(spans, "ingest market.>", "fanout market.>"),
          ),
      );
      const spans = [...found.values()].flat();
      const ingest = spanNamed(spans, "ingest market.>");
      const deliver = spanNamed(spans, "deliver market.>");
      expect(deliver.resource["tickwire.node.id"]).toBe("far");
      const stages = Object.entries(deliver.attributes)
        .filter(([name]) => name.startsWith("tickwire.lat."))
        .map(([name, ms]) => [name, Number(ms)] as const);
      const sendMs = new Map(stages).get("tickwire.lat.client_send_ms") ?? 0;
      // A pong says whole milliseconds.
      expect(sendMs).toBeGreaterThan(SENT_AGO_MS - 1);
      expect(deliver.startMs).toBeCloseTo(ingest.startMs - sendMs, 1);
      const sumMs = stages.reduce((sum, [, ms]) => sum + ms, 0);
      expect(sumMs).toBeCloseTo(deliver.durationMs, 1);
    },
  );

  test.each([0, 10])(
    "a subscriber by pattern hangs nothing below spans nobody makes, history %d",
    async (historySize) => {
      await using redis = await startRedis();
      await using backend = startTraceBackend();
      const { query, service } = backend;
      const namespaces = [{ pattern: "market.>", traceRate: 1, historySize }];
      const start = (node: string) =>
        startTracedBroker(backend, {
          namespaces,
          args: ["--redis", redis.url, "--node", node],
        });
      await using near = await start("near");
      await using far = await start("far");
      await using subscriber = await TracedSubscriber.start(far.url, "market.*");
      await using publisher = new TickwireClient(near.url);
      // Each is the first of its channel, so that the node of the subscriber has to read it from history.
      const channels = ["market.a", "market.b", "market.c"];
      for (const channel of channels) await publisher.publish(channel, 1);
      await subscriber.count(channels.length);
      const found = await query.until(
        (jaeger) => jaeger.find({ service, operation: "deliver market.>" }),
        (traces) =>
          traces.size === channels.length &&
          [...traces.values()].every((spans) => hasSpans(spans, "ingest market.>")),
      );
      for (const spans of found.values()) {
        const ingest = spanNamed(spans, "ingest market.>");
        const deliver = spanNamed(spans, "deliver market.>");
        const receive = spans.find(({ name }) => name.startsWith("bus.receive"));
        expect(receive?.attributes["tickwire.bus.healed"]).toBe(historySize > 0);
        expect(orphansOf(spans)).toEqual([]);
        expect(deliver.parentSpanId).toBe(ingest.spanId);
        expect(deliver.startMs).toBeCloseTo(ingest.startMs, 1);
      }
    },
  );
});
