import { expect, test } from "bun:test";

import { rejection } from "../../support/rejection.ts";
import { plugin, RunnerHarness } from "../host/runner-harness.ts";
import { ENDLESS_WASM_HEAD } from "./endless-wasm.ts";

const HEALTHY = plugin(`m.replace(text + "!");`);
const TIMEOUT = "limits: { timeoutMs: 300, heapMb: 96 },";

/** Two pipelines: one with a fault, and one that must not notice. */
async function startBoth(faulty: string, isolation: "thread" | "process"): Promise<RunnerHarness> {
  return RunnerHarness.start({
    files: { "faulty.ts": faulty, "healthy.ts": HEALTHY },
    bindings: [
      { use: "./faulty.ts", channels: ["bad.>"], onError: "dead-letter:dead", isolation },
      { use: "./healthy.ts", channels: ["good.>"], onError: "nack" },
    ],
  });
}

const FAULTS: readonly (readonly [string, string, string])[] = [
  ["an infinite loop", `if (text === "bad") for (;;);`, ""],
  [
    "a catastrophic regular expression",
    `if (text === "bad") /^(a+)+$/.test("a".repeat(40) + "b");`,
    "",
  ],
  ["an exit of the process", `if (text === "bad") process.exit(1);`, ""],
  [
    "memory without end",
    `if (text === "bad") { globalThis.kept = []; for (;;) kept.push(new Uint8Array(8 << 20).fill(1)); }`,
    "",
  ],
  ["a WebAssembly loop that no one can end", `if (text === "bad") spin();`, ENDLESS_WASM_HEAD],
  [
    "a regular throw at the third message",
    `if (m.index === 2 && batch.length > 2 && text === "bad") throw new Error("third"); if (text === "bad") throw new Error("it");`,
    "",
  ],
];

for (const isolation of ["thread", "process"] as const) {
  for (const [name, body, head] of FAULTS) {
    // A thread in WebAssembly burns a core until the process ends: process-end.test.ts shows it.
    if (isolation === "thread" && name.includes("WebAssembly")) continue;
    test(`${name} in a ${isolation} costs one message and no other pipeline anything`, async () => {
      const faulty = plugin(body, { extra: TIMEOUT, head });
      await using harness = await startBoth(faulty, isolation);
      const { runner } = harness;
      harness.publishAll("bad.a", ["1", "bad", "2"]);
      harness.publishAll("bad.b", ["3"]);
      // The other pipeline goes on while the fault lasts.
      let others = 0;
      harness.onSettled = ({ channel }) => {
        if (channel !== "good.a" || harness.outputs("bad.a").length >= 3) return;
        others++;
        setImmediate(() => harness.publishAll("good.a", ["x"]));
      };
      harness.publishAll("good.a", ["x"]);
      await harness.until(() => harness.outputs("bad.a").length === 3);
      harness.publishAll("bad.b", ["4"]);
      await harness.allSettled();
      expect(harness.faults()).toEqual([]);
      expect(harness.types("bad.a")).toEqual(["publish", "dead-letter", "publish"]);
      expect(harness.types("bad.b")).toEqual(["publish", "publish"]);
      // A throw is over before another pipeline has had a turn.
      if (!name.includes("throw")) expect(others).toBeGreaterThan(0);
      expect(new Set(harness.types("good.a"))).toEqual(new Set(["publish"]));
      const [faultyStatus, healthy] = runner.status();
      expect(faultyStatus?.verdicts["fail"]).toBe(1);
      expect(healthy).toMatchObject({ faults: {}, restarts: {}, state: "running" });
    });
  }
}

test("400 MB allocated by one message get its worker replaced, and cost no message", async () => {
  const body = `if (text === "bad") globalThis.kept = new Array(50).fill(0).map(() => new Uint8Array(8 << 20).fill(1));`;
  await using harness = await startBoth(
    plugin(body, { extra: "limits: { heapMb: 96 }," }),
    "thread",
  );
  harness.publishAll("bad.a", ["1", "bad", "2"]);
  await harness.allSettled();
  const replaced = (): number => {
    const restarts = harness.runner.status()[0]?.restarts ?? {};
    return (restarts["recycle"] ?? 0) + (restarts["memory"] ?? 0);
  };
  // Its size is told now and then: batches go on until it is.
  while (replaced() === 0) {
    harness.publishAll("bad.a", ["more"]);
    await harness.allSettled();
  }
  harness.publishAll("bad.a", ["after"]);
  await harness.allSettled();
  expect(harness.faults()).toEqual([]);
  expect(harness.outputs("bad.a").at(-1)).toBe("after");
});

test.each([
  ["a syntax error", "export default { name: ;", /faulty\.ts:1/],
  ["a throw at load", `\nthrow new Error("at load");`, /at load/],
  [
    "a failing setup",
    `export default { name: "x", version: "1.0.0", setup() { throw new Error("no database"); }, process() {} };`,
    /setup.*no database/s,
  ],
  ["an exit at load", "process.exit(4);", /./],
  ["a missing import", `import "./nowhere.ts";\nexport default {};`, /nowhere/],
])("a start with %s is refused with a clear error", async (_name, source, says) => {
  const start = startBoth(source, "thread");
  const message = String(await rejection(start));
  expect(message).toMatch(says);
  expect(message).toMatch(/faulty/);
});

test("a deploy of what cannot be loaded leaves the old version serving", async () => {
  await using harness = await startBoth(HEALTHY, "thread");
  await harness.folder.write("faulty.ts", "export default { name: ;");
  const deploy = harness.runner.change({
    action: "deploy",
    id: "faulty",
    use: null,
    config: null,
    mode: { type: "replace" },
  });
  expect(String(await rejection(deploy))).toMatch(/faulty\.ts:1/);
  harness.publishAll("bad.a", ["1"]);
  await harness.allSettled();
  expect(harness.outputs("bad.a")).toEqual(["1!"]);
});
