import { expect, test } from "bun:test";
import { rm } from "node:fs/promises";
import { fileURLToPath } from "node:url";

import { buildConfig, createBroker } from "tickwire";
import { connect } from "tickwire/client";

import { runCli } from "../support/process.ts";

test("a program can embed a broker by the package's name", async () => {
  await using broker = createBroker(buildConfig({ port: 0, log: "silent" }));
  await broker.start();
  await using client = await connect(broker.url);
  const { offset } = await client.publish("greetings", { text: "hello" });
  expect(offset).toBe(1);
});

test("a config file can import the package by its name", async () => {
  // Inside the package, because that is what gives the name its meaning; this folder is nobody's to commit.
  const folder = fileURLToPath(new URL(`../../.tickwire/test-${process.pid}/`, import.meta.url));
  await Bun.write(
    `${folder}tickwire.config.ts`,
    'import { defineConfig } from "tickwire";\nexport default defineConfig({ port: 9401 });\n',
  );
  try {
    const { code, stdout, stderr } = await runCli(["check"], { cwd: folder });
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toMatch(/^port +9401 +port in tickwire\.config\.ts$/m);
  } finally {
    await rm(folder, { recursive: true });
  }
});
