import { expect, test } from "bun:test";
import { fileURLToPath } from "node:url";

import { cleanEnvironment } from "../support/process.ts";

const MAIN = fileURLToPath(new URL("../../broker/main.ts", import.meta.url));
const CONFIG = fileURLToPath(new URL("../../broker/config/config.ts", import.meta.url));

/** Whether a broker exports, and the names of OpenTelemetry's packages that its thread has loaded then. */
async function startedWith(env: Readonly<Record<string, string>>): Promise<unknown> {
  const script = `
    const { createBroker, startBrokerTelemetry } = await import(${JSON.stringify(MAIN)});
    const { buildConfig } = await import(${JSON.stringify(CONFIG)});
    const config = buildConfig({ port: 0, log: "silent" });
    const telemetry = await startBrokerTelemetry(config, { log: () => {} });
    const broker = createBroker(config, { telemetry });
    await broker.start();
    await broker.stop();
    const names = Object.keys(require.cache).map(
      (path) => /node_modules.(@opentelemetry.[^/]+)/.exec(path)?.[1] ?? "",
    );
    const loaded = [...new Set(names)].filter((name) => name !== "");
    process.stdout.write(JSON.stringify({ isOn: telemetry !== null, loaded }));
    process.exit(0);
  `;
  const child = Bun.spawn([process.execPath, "--no-install", "-e", script], {
    env: cleanEnvironment(env),
    stdout: "pipe",
    stderr: "inherit",
  });
  return JSON.parse(await new Response(child.stdout).text()) as unknown;
}

test("telemetry is off unless it is asked for", async () => {
  const off = { isOn: false, loaded: [] };
  expect(await startedWith({})).toEqual(off);
  expect(await startedWith({ OTEL_SERVICE_NAME: "shop", OTEL_SDK_DISABLED: "true" })).toEqual(off);
});

test("the broker's thread loads nothing of OpenTelemetry", async () => {
  const started = await startedWith({ OTEL_TRACES_EXPORTER: "otlp" });
  expect(started).toEqual({ isOn: true, loaded: [] });
});
