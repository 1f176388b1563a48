import { expect, test } from "bun:test";

import { plugin, RunnerHarness } from "./runner-harness.ts";

/** Takes a file's word for when to go on: the first message waits for it, so that others pile up. */
const GATED = (gate: string, extra = ""): string => `
  import { existsSync } from "node:fs";
  export default { name: "gated", version: "1.0.0",
    limits: { laneQueue: 4, timeoutMs: 20000, batch: 1 }, ${extra}
    process(batch) {
      for (const m of batch) {
        while (!existsSync(${JSON.stringify(gate)})) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
        m.replace(m.text() + "!");
      }
    } };`;

async function startGated(
  shed: "reject" | "bypass" | "drop-oldest",
): Promise<{ readonly harness: RunnerHarness; readonly open: () => Promise<unknown> }> {
  const harness = await RunnerHarness.start({
    files: { "gated.ts": plugin("") },
    bindings: [{ id: "gated", use: "./gated.ts", channels: ["in.>"], onError: "nack", shed }],
  });
  await harness.folder.write("gated.ts", GATED(`${harness.folder.path}/gate`));
  const mode = { type: "replace" } as const;
  await harness.runner.change({ action: "deploy", id: "gated", use: null, config: null, mode });
  return { harness, open: () => harness.folder.write("gate", "") };
}

/** Publishes more than a lane holds, the first of it being with the worker already. */
async function fill(harness: RunnerHarness, count: number): Promise<(string | null)[]> {
  harness.publishAll("in.x", ["first"]);
  // The turn of the event loop after which it is with the worker.
  await new Promise((resolve) => setImmediate(resolve));
  await new Promise((resolve) => setImmediate(resolve));
  return Array.from({ length: count }, (_, i) => harness.publish("in.x", String(i))?.code ?? null);
}

test("a full lane refuses, and says when to come back", async () => {
  const { harness, open } = await startGated("reject");
  await using _ = harness;
  expect(await fill(harness, 6)).toEqual([null, null, null, null, "overloaded", "overloaded"]);
  expect(harness.publish("in.x", "late")).toMatchObject({ retryAfterMs: expect.any(Number) });
  expect(harness.publish("in.other", "elsewhere")).toBeNull();
  await open();
  await harness.allSettled();
  expect(harness.outputs("in.x")).toEqual(["first!", "0!", "1!", "2!", "3!"]);
  expect(harness.runner.status()[0]?.verdicts["refused"]).toBe(3);
});

test("a full lane that sheds lets newcomers by in their order, up to a bound", async () => {
  const { harness, open } = await startGated("bypass");
  await using _ = harness;
  const codes = await fill(harness, 18);
  expect(codes.filter((code) => code !== null)).toEqual(["overloaded", "overloaded"]);
  await open();
  await harness.allSettled();
  expect(harness.faults()).toEqual([]);
  expect(harness.outputs("in.x").slice(0, 7)).toEqual(["first!", "0!", "1!", "2!", "3!", "4", "5"]);
});

test("a full lane that drops the oldest tells of each in its place", async () => {
  const { harness, open } = await startGated("drop-oldest");
  await using _ = harness;
  expect(await fill(harness, 7)).toEqual(Array.from({ length: 7 }, () => null));
  await open();
  await harness.allSettled();
  expect(harness.faults()).toEqual([]);
  expect(harness.outputs("in.x")).toEqual(["first!", "", "", "", "3!", "4!", "5!", "6!"]);
  expect(harness.settled[1]?.outcome).toMatchObject({ type: "drop", reason: "shed" });
});

test("what no transform matches passes unchanged, in its order, without a worker", async () => {
  const extra = `match: { channels: ["in.a.*"], minBytes: 3 },`;
  await using harness = await RunnerHarness.start({
    files: { "m.ts": plugin(`m.replace(text + "!");`, { extra }) },
    bindings: [{ use: "./m.ts", channels: ["in.>"], onError: "nack" }],
  });
  expect(harness.runner.route("in.b.x")).toBeNull();
  expect(harness.runner.route("out")).toBeNull();
  harness.publishAll("in.a.x", ["long", "no", "longer", "x"]);
  await harness.allSettled();
  expect(harness.faults()).toEqual([]);
  expect(harness.outputs("in.a.x")).toEqual(["long!", "no", "longer!", "x"]);
  expect(harness.runner.status()[0]?.verdicts).toMatchObject({ replace: 2, skip: 2 });
});

test("transforms of one channel run in their order in one crossing", async () => {
  await using harness = await RunnerHarness.start({
    files: {
      "one.ts": plugin(`m.replace(text + " one");`),
      "two.ts": plugin(`if (text.startsWith("bad")) m.fail("no"); else m.replace(text + " two");`),
    },
    bindings: [
      { use: "./one.ts", channels: [">"], onError: "nack" },
      { use: "./two.ts", channels: ["in.>"], onError: "pass" },
    ],
  });
  harness.publishAll("in.x", ["a", "bad"]);
  harness.publishAll("other", ["b"]);
  await harness.allSettled();
  expect(harness.outputs("in.x")).toEqual(["a one two", ""]);
  expect(harness.outputs("other")).toEqual(["b one"]);
  // "pass" of the second would have left out the first, whose operator wants an error.
  expect(harness.types("in.x")).toEqual(["publish", "reject"]);
  const first = harness.settled.find(({ channel }) => channel === "in.x");
  expect(first?.outcome.type === "publish" && first.outcome.timing).toMatchObject({
    stages: [{ name: "probe" }, { name: "probe" }],
    batchSize: 2,
  });
});

test("patterns that meet without one covering the other get a pipeline when they meet", async () => {
  await using harness = await RunnerHarness.start({
    files: {
      "one.ts": plugin(`m.replace(text + " one");`),
      "two.ts": plugin(`m.replace(text + " two");`),
    },
    bindings: [
      { use: "./one.ts", channels: ["a.*"], onError: "nack" },
      { use: "./two.ts", channels: ["*.b"], onError: "nack" },
    ],
  });
  for (const channel of ["a.b", "a.x", "x.b"]) harness.publishAll(channel, ["m"]);
  await harness.allSettled();
  expect(["a.b", "a.x", "x.b"].flatMap((channel) => harness.outputs(channel))).toEqual([
    "m one two",
    "m one",
    "m two",
  ]);
});

test("keys keep their own order, and messages without an order all arrive", async () => {
  for (const order of ["key", "none"]) {
    await using harness = await RunnerHarness.start({
      files: { "o.ts": plugin(``, { extra: `order: "${order}",` }) },
      bindings: [{ use: "./o.ts", channels: ["in"], onError: "nack", workers: 2 }],
    });
    for (let i = 0; i < 600; i++) harness.publish("in", `${i % 3} ${i}`, String(i % 3));
    await harness.allSettled();
    expect(harness.doubled).toEqual([]);
    expect(harness.settled).toHaveLength(600);
    if (order === "none") continue;
    for (const key of ["0", "1", "2"]) {
      const own = harness.outputs("in").filter((text) => text.startsWith(`${key} `));
      const numbers = own.map((text) => Number(text.split(" ")[1]));
      expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
    }
  }
});

test("a worker that cannot be started again leaves its work to the others", async () => {
  const body = `if (text === "exit" && isFirst()) process.exit(1); m.replace(text + "!");`;
  const extra = "setup() { statSync(table); },";
  // Whoever is first takes away what every worker needs to start.
  const head = `import { statSync, unlinkSync } from "node:fs";
    const table = import.meta.dir + "/table";
    const isFirst = () => { try { unlinkSync(table); return true; } catch { return false; } };`;
  await using harness = await RunnerHarness.start({
    files: { "w.ts": plugin(body, { extra, head }), table: "" },
    bindings: [{ use: "./w.ts", channels: ["in.>"], onError: "drop", workers: 2 }],
    times: { respawnDelayMs: 1, longestRespawnDelayMs: 1 },
  });
  const failedStarts = (): number =>
    harness.logger.events().filter((event) => event === "transform_worker_start_failed").length;
  // More often than the breaker would bear, if nobody else were there.
  while (failedStarts() < 8) {
    harness.publishAll("in.x", ["1", "exit", "2"]);
    await harness.allSettled();
  }
  expect(harness.faults()).toEqual([]);
  expect(new Set(harness.types("in.x"))).toEqual(new Set(["publish"]));
  expect(harness.runner.status()[0]?.state).toBe("degraded");
});
