import { expect, test } from "bun:test";

import { startTelemetry } from "../../otel/telemetry.ts";
import type { RunningTelemetry } from "../../otel/telemetry.ts";
import { traceOf } from "../support/delivery-trace.ts";
import { MemoryLogger } from "../support/memory-logger.ts";

const env = { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "http://127.0.0.1:9/v1/traces" };

/** Tells when the thread is there again. */
class RestartLogger extends MemoryLogger {
  readonly restarted = Promise.withResolvers<void>();

  override log(...[level, event, fields]: Parameters<MemoryLogger["log"]>): void {
    super.log(level, event, fields);
    if (event === "telemetry_thread_restarted") this.restarted.resolve();
  }
}

function startWith(name: string, logger: MemoryLogger): Promise<RunningTelemetry | null> {
  const entry = new URL(`../support/otlp/${name}.entry.ts`, import.meta.url);
  return startTelemetry({ env, logger, version: "1.2.3", node: "node-a", entry });
}

test("a thread that ends by itself is replaced, and what it had counts as failed", async () => {
  const logger = new RestartLogger();
  const telemetry = await startWith("dying-exporter", logger);
  expect(telemetry?.sink).not.toBeNull();
  telemetry?.sink?.trace(traceOf());
  telemetry?.sink?.trace(traceOf());
  expect(telemetry?.spans).toMatchObject({ waiting: 2, failed: 0 });
  // Nobody answers any more: that is told, and not waited for.
  expect(await telemetry?.flush(60_000)).toBe(false);
  await logger.restarted.promise;
  expect(telemetry?.spans).toEqual({ exported: 0, failed: 2, dropped: 0, waiting: 0 });
  expect(logger.entries.find(({ event }) => event === "telemetry_thread_lost")).toMatchObject({
    level: "warn",
    fields: { error: { message: "the thread ended with code 7" } },
  });
  // The new one takes traces again.
  telemetry?.sink?.trace(traceOf());
  expect(telemetry?.spans).toMatchObject({ waiting: 1, dropped: 0 });
  expect(await telemetry?.shutdown(60_000)).toBe(false);
});

test("while there is no thread, spans are dropped and counted", async () => {
  const telemetry = await startWith("dying-exporter", new MemoryLogger());
  telemetry?.sink?.trace(traceOf());
  expect(await telemetry?.flush(60_000)).toBe(false);
  telemetry?.sink?.trace(traceOf());
  expect(telemetry?.spans).toEqual({ exported: 0, failed: 1, dropped: 1, waiting: 0 });
  await telemetry?.shutdown(60_000);
});

test("one that does not start turns telemetry off, and says why", async () => {
  const logger = new MemoryLogger();
  expect(await startWith("broken-exporter", logger)).toBeNull();
  expect(logger.events()).toEqual(["telemetry_failed"]);
  expect(String(logger.entries[0]?.fields["error"])).toContain("no such collector library");
});
