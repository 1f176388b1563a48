import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

import { resolveConfig } from "../../broker/config/resolve.ts";
import { TickwireClient } from "../../client/index.ts";
import { Attribute, LATENCY_STAGES, latencyAttribute } from "../../otel/attributes.ts";
import { INSTRUMENTS } from "../../otel/metrics.ts";
import { readTelemetrySettings } from "../../otel/settings.ts";
import { DocumentSession } from "../support/document-session.ts";
import { startTraceBackend } from "../support/otlp/trace-backend.ts";
import { startTracedBroker, TracedSubscriber } from "../support/otlp/traced-broker.ts";
import { TempFolder } from "../support/temp-folder.ts";

// Aim: docs/tracing.md teaches nothing that is not so. Method: its commands are run in order, its searches asked of what
// the broker exports, and its names held against the tables of the code.

const DOCUMENT = readFileSync(
  fileURLToPath(new URL("../../docs/tracing.md", import.meta.url)),
  "utf8",
);

test("every command works", async () => {
  await using folder = await TempFolder.create();
  await using session = new DocumentSession(folder.path);
  await session.follow(DOCUMENT);
  expect(session.commands).toContain("tickwire slow");
  expect(session.commands.filter((line) => line.startsWith("tickwire trace"))).toHaveLength(3);
});

test("every search is one that Jaeger takes, and finds what it is for", async () => {
  const urls = [...DOCUMENT.matchAll(/^http:\/\/localhost:16686(\/api\/v3\/\S+)$/gm)].map(
    ([, path = ""]) => path,
  );
  expect(urls.length).toBeGreaterThanOrEqual(9);
  await using backend = startTraceBackend();
  await using broker = await startTracedBroker(backend, {
    namespaces: [{ pattern: "market.>", traceRate: 1 }],
  });
  await using subscriber = await TracedSubscriber.start(broker.url, "market.xrp", {
    name: "desk-7",
  });
  await using publisher = new TickwireClient(broker.url);
  await publisher.publish("market.xrp", 1);
  await subscriber.count(1);
  const { service, query } = backend;
  await query.until(
    (jaeger) => jaeger.find({ service }),
    (found) => found.size > 0,
  );
  const base = process.env["JAEGER_URL"] ?? backend.receiver?.url ?? "";
  const answers = new Map<string, number>();
  for (const path of urls) {
    const response = await fetch(base + path.replaceAll("tickwire-broker", service));
    // 404: no such traces, which is an answer too.
    expect([path, [200, 404]]).toEqual([path, expect.arrayContaining([response.status])]);
    answers.set(path, response.status);
  }
  const found = (part: string): number[] =>
    [...answers].flatMap(([path, status]) => (path.includes(part) ? [status] : []));
  expect(found("client.name")).toEqual([200]);
  expect(found("destination.name")).toEqual([200]);
  expect(found("dropped")).toEqual([404]);
});

test("every attribute is one that spans have", () => {
  const ours = new Set<string>([
    ...Object.values(Attribute),
    ...LATENCY_STAGES.map(latencyAttribute),
    // Of the resource.
    "tickwire.node.id",
    // The start of several.
    "tickwire.fanout.",
    "tickwire.lat.",
  ]);
  const named = DOCUMENT.matchAll(
    /\b((?:tickwire|messaging)\.[a-z_]+\.[a-z_.]*|tickwire\.outcome)/g,
  );
  const names = [...named].map(([, name = ""]) => name);
  expect(names.length).toBeGreaterThan(30);
  // A file is none.
  const strangers = names.filter((name) => !ours.has(name) && name !== "tickwire.config.ts");
  expect(strangers).toEqual([]);
});

test("every metric and every variable is one there is", async () => {
  const metrics = new Set(INSTRUMENTS.map(({ name }) => name));
  for (const [name] of DOCUMENT.matchAll(/\btickwire_[a-z0-9_]+/g)) {
    expect([name, metrics.has(name)]).toEqual([name, true]);
  }
  const variables = [...DOCUMENT.matchAll(/^export (OTEL_\w+)=(\S+)$/gm)].map(
    ([, name = "", value = ""]) => [name, value] as const,
  );
  const { traces, warnings } = readTelemetrySettings(Object.fromEntries(variables));
  expect([traces?.url, warnings]).toEqual(["http://127.0.0.1:4318/v1/traces", []]);
  const { config } = await resolveConfig({ argv: [], env: {}, cwd: "/" });
  for (const name of ["slowMs", "traceRate", "receiptIntervalMs"] as const) {
    expect(DOCUMENT).toContain(name);
    expect(DOCUMENT.replaceAll(" ", "")).toContain(
      String(config[name] >= 1000 ? `${config[name] / 1000}s` : config[name]),
    );
  }
});

test("the latency stages are told in their order", () => {
  const line = /^client_send │.*$/m.exec(DOCUMENT)?.[0] ?? "";
  expect(line.split("│").map((stage) => stage.trim())).toEqual([...LATENCY_STAGES]);
});
