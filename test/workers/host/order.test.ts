import { expect, test } from "bun:test";

import { Random } from "../../support/random.ts";
import { RunnerHarness } from "./runner-harness.ts";

/**
 * Aim: whatever happens to workers, every publication taken in is settled exactly once, and each lane's in order.
 * Method: random publications on some channels to a transform that is slow, throws, hangs, exits and emits as they tell
 * it, while new versions take over, are rolled back, and shadow each other. The seed is printed; TICKWIRE_SEED sets it.
 */
const SEED = Number(process.env["TICKWIRE_SEED"] ?? Date.now() % 1_000_000);

const source = (version: string, hasState: boolean): string => `
  const spin = (ms) => { const end = performance.now() + ms; while (performance.now() < end); };
  export default {
    name: "chaos", version: "${version}", limits: { timeoutMs: 150, batch: 32 },
    ${hasState ? `lane: { create: () => ({ seen: 0 }), snapshot: (s) => s, restore: (s) => s },` : ""}
    process(batch, context) {
      for (const m of batch) {
        ${hasState ? "context.lane(m).seen++;" : ""}
        const [kind, rest] = m.text().split(" ");
        if (kind === "slow") spin(3);
        else if (kind === "throw") throw new Error("told to");
        else if (kind === "hang") for (;;);
        else if (kind === "exit") process.exit(1);
        else if (kind === "drop") m.drop("told to");
        else if (kind === "fail") m.fail("told to");
        else if (kind === "late") setTimeout(() => { throw new Error("late"); }, 0);
        else m.replace("${version} " + rest);
      }
    },
  };`;

const KINDS = ["ok", "ok", "ok", "ok", "ok", "ok", "slow", "drop", "fail", "throw", "late"];

interface Plan {
  readonly name: string;
  readonly hasState: boolean;
  readonly workers: number;
  readonly isolation: "thread" | "process";
}

test.each<Plan>([
  { name: "one worker", hasState: false, workers: 1, isolation: "thread" },
  { name: "three workers", hasState: false, workers: 3, isolation: "thread" },
  { name: "two workers with lane state", hasState: true, workers: 2, isolation: "thread" },
  { name: "two processes", hasState: false, workers: 2, isolation: "process" },
])("publications are settled once and in order, $name", async (plan) => {
  process.stderr.write(`order.test.ts seed ${SEED}\n`);
  const random = new Random(SEED);
  await using harness = await RunnerHarness.start({
    files: { "chaos.ts": source("1.0.0", plan.hasState) },
    bindings: [
      {
        id: "chaos",
        use: "./chaos.ts",
        channels: ["in.>"],
        onError: "dead-letter:dead",
        workers: plan.workers,
        isolation: plan.isolation,
      },
    ],
    // A reload may bring what fails by itself: none of it is to be rolled back on its own here.
    budget: { maxFaultPercent: 100, maxSlowdown: Infinity },
    times: { probeIntervalMs: 50 },
  });
  const channels = Array.from({ length: 12 }, (_, i) => `in.${i}`);
  for (let round = 1; round <= 6; round++) {
    const violent = random.pick(["hang", "exit"]);
    const count = random.between(50, 200);
    for (let i = 0; i < count; i++) {
      const kind = random.chance(0.01) ? violent : random.pick(KINDS);
      harness.publish(random.pick(channels), `${kind} ${round}-${i}`);
    }
    const isBack = round % 3 === 0;
    if (!isBack) await harness.folder.write("chaos.ts", source(`${round + 1}.0.0`, plan.hasState));
    const mode = { type: "replace" } as const;
    const deploy = { action: "deploy", id: "chaos", use: null, config: null, mode } as const;
    // A version whose breaker has opened may have been rolled back by itself, and there is none before it then.
    const canGoBack = harness.runner.status()[0]?.previousVersion !== null;
    if (!isBack || !canGoBack) await harness.runner.change(deploy);
    else await harness.runner.change({ action: "rollback", id: "chaos" }).catch(expectNoPrevious);
    if (random.chance(0.5)) await harness.allSettled();
  }
  await harness.allSettled();
  expect(harness.faults()).toEqual([]);
  // What was told to do well did, unless it came while all was refused, or the machine was too busy to run it.
  const tripped = harness.logger.events().includes("transform_tripped");
  const spoiled = harness.settled.filter(
    ({ text, type, outcome }) =>
      /^(ok|slow|late)/.test(text) &&
      type !== "publish" &&
      !("timing" in outcome && outcome.timing?.fault?.type === "timeout"),
  );
  if (!tripped) expect(spoiled.map(({ text, outcome }) => ({ text, outcome }))).toEqual([]);
});

function expectNoPrevious(error: unknown): void {
  expect(String(error)).toContain("no version to go back to");
}
