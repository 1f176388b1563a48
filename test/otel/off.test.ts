import { expect, test } from "bun:test";
import { fileURLToPath } from "node:url";

import { cleanEnvironment } from "../support/process.ts";

const MAIN = fileURLToPath(new URL("../../broker/main.ts", import.meta.url));
const CONFIG = fileURLToPath(new URL("../../broker/config/config.ts", import.meta.url));

/** Names of OpenTelemetry's packages a process has loaded after it started a broker. */
async function loadedWith(env: Readonly<Record<string, string>>): Promise<string[]> {
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
    process.stdout.write(JSON.stringify([...new Set(names)].filter((name) => name !== "")));
    process.exit(0);
  `;
  const child = Bun.spawn([process.execPath, "--no-install", "-e", script], {
    env: cleanEnvironment(env),
    stdout: "pipe",
    stderr: "inherit",
  });
  return JSON.parse(await new Response(child.stdout).text()) as string[];
}

test("nothing of OpenTelemetry is loaded unless it is asked for", async () => {
  expect(await loadedWith({})).toEqual([]);
  expect(await loadedWith({ OTEL_SERVICE_NAME: "shop", OTEL_SDK_DISABLED: "true" })).toEqual([]);
  const loaded = await loadedWith({ OTEL_TRACES_EXPORTER: "otlp" });
  expect(loaded).toContain("@opentelemetry/sdk-node");
});
