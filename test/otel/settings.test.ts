import { describe, expect, test } from "bun:test";

import { readTelemetrySettings } from "../../otel/settings.ts";
import type { Environment, TelemetrySettings } from "../../otel/settings.ts";
import { startTelemetry } from "../../otel/telemetry.ts";
import { MemoryLogger } from "../support/memory-logger.ts";

type Signal = TelemetrySettings["traces"];

function urls(env: Environment): [traces: string | null, metrics: string | null] {
  const { traces, metrics } = readTelemetrySettings(env);
  return [traces?.url ?? null, metrics?.url ?? null];
}

function tracesOf(env: Environment): Signal {
  return readTelemetrySettings(env).traces;
}

describe("telemetry is on", () => {
  const both = ["http://c:4318/v1/traces", "http://c:4318/v1/metrics"];
  test.each([
    ["nothing is set: off", {}, [null, null]],
    ["blank is not set", { OTEL_EXPORTER_OTLP_ENDPOINT: " " }, [null, null]],
    ["with a common endpoint, for both", { OTEL_EXPORTER_OTLP_ENDPOINT: "http://c:4318" }, both],
    ["a slash at its end is no matter", { OTEL_EXPORTER_OTLP_ENDPOINT: "http://c:4318/" }, both],
    [
      "below a path",
      { OTEL_EXPORTER_OTLP_ENDPOINT: "https://c/otlp" },
      ["https://c/otlp/v1/traces", "https://c/otlp/v1/metrics"],
    ],
    [
      "with an endpoint of one signal, as it is",
      { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "http://t:1/x" },
      ["http://t:1/x", null],
    ],
    [
      "of the other",
      { OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: "http://m:1/x" },
      [null, "http://m:1/x"],
    ],
    [
      "with an exporter by name, at the usual place",
      { OTEL_TRACES_EXPORTER: "otlp" },
      ["http://localhost:4318/v1/traces", null],
    ],
    [
      "but not where it says none",
      { OTEL_EXPORTER_OTLP_ENDPOINT: "http://c:4318", OTEL_METRICS_EXPORTER: "none" },
      ["http://c:4318/v1/traces", null],
    ],
    [
      "nor where the SDK is disabled",
      { OTEL_EXPORTER_OTLP_ENDPOINT: "http://c:4318", OTEL_SDK_DISABLED: "TRUE" },
      [null, null],
    ],
  ] as [string, Environment, [string | null, string | null]][])("%s", (_name, env, wanted) => {
    expect(urls(env)).toEqual(wanted);
    expect(readTelemetrySettings(env).warnings).toEqual([]);
  });
});

test("defaults suit a broker", () => {
  expect(readTelemetrySettings({})).toMatchObject({
    batch: { maxQueue: 8192, maxBatch: 128, delayMs: 1000, timeoutMs: 30_000 },
    metricIntervalMs: 60_000,
    serviceName: null,
  });
});

test("the standard variables for batches are followed", () => {
  const env = {
    OTEL_BSP_MAX_QUEUE_SIZE: "100",
    OTEL_BSP_MAX_EXPORT_BATCH_SIZE: "200",
    OTEL_BSP_SCHEDULE_DELAY: "20",
    OTEL_BSP_EXPORT_TIMEOUT: "1000",
    OTEL_METRIC_EXPORT_INTERVAL: "5000",
    OTEL_SERVICE_NAME: " shop ",
  };
  expect(readTelemetrySettings(env)).toMatchObject({
    // A batch never holds more than the queue.
    batch: { maxQueue: 100, maxBatch: 100, delayMs: 20, timeoutMs: 1000 },
    metricIntervalMs: 5000,
    serviceName: "shop",
    warnings: [],
  });
});

describe("the protocol", () => {
  const base = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://c:4318" };
  test("is protobuf, or JSON when asked for", () => {
    expect(tracesOf(base)?.protocol).toBe("http/protobuf");
    expect(tracesOf({ ...base, OTEL_EXPORTER_OTLP_PROTOCOL: "http/json" })?.protocol).toBe(
      "http/json",
    );
    const own = {
      ...base,
      OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
      OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: "http/protobuf",
    };
    expect(tracesOf(own)?.protocol).toBe("http/protobuf");
    expect(readTelemetrySettings(own).metrics?.protocol).toBe("http/json");
  });

  test("is never gRPC, which is said", () => {
    const settings = readTelemetrySettings({ ...base, OTEL_EXPORTER_OTLP_PROTOCOL: "grpc" });
    expect(settings.traces?.protocol).toBe("http/protobuf");
    expect(settings.warnings.join()).toContain("grpc is not spoken here");
  });
});

describe("what is wrong turns no more than telemetry off, and is told", () => {
  test.each([
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: "collector:4318" }, "must be a URL"],
    [{ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "/v1/traces" }, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"],
    [{ OTEL_TRACES_EXPORTER: "zipkin" }, "only otlp and none"],
  ] as [Environment, string][])("%j", (env, warning) => {
    expect(tracesOf(env)).toBeNull();
    expect(readTelemetrySettings(env).warnings.join("\n")).toContain(warning);
  });

  test("a number that is none leaves the default", () => {
    const settings = readTelemetrySettings({ OTEL_BSP_MAX_QUEUE_SIZE: "many" });
    expect(settings.batch.maxQueue).toBe(8192);
    expect(settings.warnings).toEqual([
      "OTEL_BSP_MAX_QUEUE_SIZE must be a whole number above 0; 8192 is used",
    ]);
  });

  test("in the broker's log", async () => {
    const logger = new MemoryLogger();
    const env = { OTEL_EXPORTER_OTLP_ENDPOINT: "collector:4318" };
    expect(await startTelemetry({ env, logger, version: "1", node: "n" })).toBeNull();
    expect(logger.entries).toMatchObject([
      { level: "warn", event: "telemetry_setting_ignored" },
      { level: "warn", event: "telemetry_setting_ignored" },
    ]);
  });
});
