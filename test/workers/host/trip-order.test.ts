import { expect, test } from "bun:test";

import { plugin, RunnerHarness } from "./runner-harness.ts";

test("an opening breaker does not overtake a message that is being run alone", async () => {
  await using harness = await RunnerHarness.start({
    files: { "w.ts": plugin("") },
    bindings: [
      { id: "w", use: "./w.ts", channels: ["in.>"], onError: "dead-letter:dead", workers: 2 },
    ],
    times: { probeIntervalMs: 3_600_000 },
  });
  const gate = JSON.stringify(`${harness.folder.path}/gate`);
  const began = `${harness.folder.path}/began`;
  // A batch of several fails as a whole; the first message, alone, waits for the gate.
  const source = `
    import { existsSync, writeFileSync } from "node:fs";
    export default { name: "w", version: "2.0.0", async: true, limits: { timeoutMs: 20000 },
      async process(batch) {
        for (const m of batch) if (m.text() === "exit") process.exit(1);
        if (batch.length > 1) throw new Error("several");
        for (const m of batch) if (m.text() === "first") {
          writeFileSync(${JSON.stringify(began)}, "");
          while (!existsSync(${gate})) await Bun.sleep(1);
        }
      } };`;
  await harness.folder.write("w.ts", source);
  const mode = { type: "replace" } as const;
  await harness.runner.change({ action: "deploy", id: "w", use: null, config: null, mode });
  harness.publishAll("in.x", ["first", "second", "third"]);
  while (!(await Bun.file(began).exists())) await new Promise((resolve) => setImmediate(resolve));
  for (let i = 0; i < 5; i++) {
    harness.publishAll("in.y", ["exit"]);
    await harness.until(() => harness.outputs("in.y").length === i + 1);
  }
  expect(harness.logger.events()).toContain("transform_tripped");
  expect(harness.types("in.x")).toEqual([]);
  await harness.folder.write("gate", "");
  await harness.allSettled();
  expect(harness.faults()).toEqual([]);
  expect(harness.types("in.x")).toEqual(["publish", "dead-letter", "dead-letter"]);
});
