import { expect, test } from "bun:test";

import type { TransformStatus } from "../../../broker/ports.ts";
import { rejection } from "../../support/rejection.ts";
import { plugin, RunnerHarness } from "./runner-harness.ts";
import type { RunnerSetup } from "./runner-harness.ts";

type Mode = Parameters<RunnerHarness["runner"]["change"]>[0] extends infer Change
  ? Change extends { readonly mode: infer M }
    ? M
    : never
  : never;

function start(setup: Partial<RunnerSetup> & Pick<RunnerSetup, "files">): Promise<RunnerHarness> {
  return RunnerHarness.start({
    bindings: [{ id: "probe", use: "./a.ts", channels: ["in.>"], onError: "dead-letter:dead" }],
    ...setup,
  });
}

function deploy(harness: RunnerHarness, use: string | null, mode: Mode): Promise<TransformStatus> {
  return harness.runner.change({ action: "deploy", id: "probe", use, config: null, mode });
}

function statusOf(harness: RunnerHarness): TransformStatus {
  const [status] = harness.runner.status();
  if (status === undefined) throw new Error("no status");
  return status;
}

const A = plugin(`m.replace("A " + text);`);
const B = plugin(`m.replace("B " + text);`, { version: "2.0.0" });

test("a rollback lets the version before serve again, though its file is gone", async () => {
  await using harness = await start({ files: { "a.ts": A } });
  await harness.folder.write("a.ts", B);
  await deploy(harness, null, { type: "replace" });
  harness.publishAll("in.x", ["1"]);
  await harness.allSettled();
  const status = await harness.runner.change({ action: "rollback", id: "probe" });
  expect(status).toMatchObject({ version: "1.0.0", previousVersion: null });
  harness.publishAll("in.x", ["2"]);
  await harness.allSettled();
  expect(harness.outputs("in.x")).toEqual(["B 1", "A 2"]);
});

test("without a version before, a rollback is refused", async () => {
  await using harness = await start({ files: { "a.ts": A } });
  const rollback = harness.runner.change({ action: "rollback", id: "probe" });
  expect(String(await rejection(rollback))).toMatch(/no version to go back to/);
});

test("a canary serves its channels only, until it is promoted", async () => {
  await using harness = await start({ files: { "a.ts": A, "b.ts": B } });
  await deploy(harness, "./b.ts", { type: "canary", channels: ["in.new.*"] });
  harness.publishAll("in.new.x", ["1"]);
  harness.publishAll("in.old", ["1"]);
  await harness.allSettled();
  expect(harness.outputs("in.new.x")).toEqual(["B 1"]);
  expect(harness.outputs("in.old")).toEqual(["A 1"]);
  expect(statusOf(harness)).toMatchObject({
    version: "1.0.0",
    rollout: { mode: "canary", version: "2.0.0", candidate: { messages: 1 }, endedBecause: null },
  });
  const second = deploy(harness, "./a.ts", { type: "replace" });
  expect(String(await rejection(second))).toMatch(/under way/);
  await harness.runner.change({ action: "promote", id: "probe" });
  harness.publishAll("in.old", ["2"]);
  await harness.allSettled();
  expect(harness.outputs("in.old")).toEqual(["A 1", "B 2"]);
  expect(statusOf(harness)).toMatchObject({ version: "2.0.0", previousVersion: "1.0.0" });
});

test("a canary that is rolled back gives its channels back", async () => {
  await using harness = await start({ files: { "a.ts": A, "b.ts": B } });
  await deploy(harness, "./b.ts", { type: "canary", channels: ["in.x"] });
  harness.publishAll("in.x", ["1"]);
  await harness.runner.change({ action: "rollback", id: "probe" });
  harness.publishAll("in.x", ["2"]);
  await harness.allSettled();
  expect(harness.outputs("in.x")[1]).toBe("A 2");
  expect(harness.faults()).toEqual([]);
});

test("a canary over its budget is rolled back by itself", async () => {
  await using harness = await start({
    files: { "a.ts": A, "b.ts": plugin(`m.fail("no");`, { version: "2.0.0" }) },
    budget: { minMessages: 10 },
  });
  await deploy(harness, "./b.ts", { type: "canary", channels: ["in.x"] });
  // One after the other, until the channel is served by the old version again.
  for (let i = 0; harness.outputs("in.x").at(-1)?.startsWith("A") !== true; i++) {
    harness.publishAll("in.x", [String(i)]);
    await harness.allSettled();
  }
  expect(harness.settled.length).toBeGreaterThanOrEqual(10);
  expect(statusOf(harness)).toMatchObject({ version: "1.0.0" });
  expect(statusOf(harness).rollout).toMatchObject({
    endedBecause: expect.stringContaining("over budget"),
  });
});

test("a new version over its budget is rolled back by itself", async () => {
  await using harness = await start({
    files: { "a.ts": A, "b.ts": plugin(`m.fail("no");`, { version: "2.0.0" }) },
    budget: { minMessages: 10 },
  });
  await deploy(harness, "./b.ts", { type: "replace" });
  for (let i = 0; harness.outputs("in.x").at(-1)?.startsWith("A") !== true; i++) {
    harness.publishAll("in.x", [String(i)]);
    await harness.allSettled();
  }
  expect(statusOf(harness)).toMatchObject({ version: "1.0.0", previousVersion: null });
  expect(harness.logger.events()).toContain("transform_over_budget");
});

test("a shadow is compared with the version that serves, and publishes nothing", async () => {
  const shadow = plugin(`m.replace(text === "odd" ? "B" : "A " + text);`, { version: "2.0.0" });
  await using harness = await start({ files: { "a.ts": A, "b.ts": shadow } });
  await deploy(harness, "./b.ts", { type: "shadow", percent: 100 });
  const compared = (): { same: number; different: number; skipped: number } =>
    statusOf(harness).rollout as { same: number; different: number; skipped: number };
  const isCompared = (): boolean => compared().same > 0 && compared().different > 0;
  for (let i = 0; !isCompared(); i++) {
    harness.publishAll("in.x", [i % 2 === 0 ? "even" : "odd"]);
    await harness.allSettled();
  }
  expect(new Set(harness.outputs("in.x"))).toEqual(new Set(["A even", "A odd"]));
  expect(statusOf(harness)).toMatchObject({
    version: "1.0.0",
    rollout: {
      mode: "shadow",
      version: "2.0.0",
      differences: [{ channel: "in.x", served: "replace", shadow: "replace" }],
    },
  });
  await harness.runner.change({ action: "promote", id: "probe" });
  harness.publishAll("in.x", ["odd"]);
  await harness.allSettled();
  expect(harness.outputs("in.x").at(-1)).toBe("B");
});

test("a shadow that hangs and dies harms nothing, and ends by itself", async () => {
  const shadow = plugin(`process.exit(1);`, { version: "2.0.0" });
  await using harness = await start({ files: { "a.ts": A, "b.ts": shadow } });
  await deploy(harness, "./b.ts", { type: "shadow", percent: 100 });
  const ended = (): boolean =>
    (statusOf(harness).rollout as { endedBecause: string | null }).endedBecause !== null;
  for (let i = 0; !ended(); i++) {
    harness.publishAll("in.x", [String(i)]);
    await harness.allSettled();
  }
  expect(statusOf(harness).rollout).toMatchObject({ losses: 5 });
  expect(harness.types("in.x").every((type) => type === "publish")).toBe(true);
  expect(statusOf(harness)).toMatchObject({ state: "running", restarts: {} });
});

const COUNTER = (version: string, snapshot: boolean): string => `
  export default { name: "count", version: "${version}",
    lane: { create: () => ({ n: 0 }), lookBack: 5, replay(lane, m) { lane.n = Number(m.text().split(" ")[1]); }
      ${snapshot ? ", snapshot: (lane) => lane.n, restore: (n) => ({ n })" : ""} },
    process(batch, context) {
      for (const m of batch) {
        if (m.text() === "exit") process.exit(1);
        m.replace("${version} " + ++context.lane(m).n);
      }
    } };`;

test.each([1, 3])("lane states go along to a new version, with %d workers", async (workers) => {
  await using harness = await start({
    files: { "a.ts": COUNTER("1.0.0", true) },
    bindings: [{ id: "probe", use: "./a.ts", channels: ["in.>"], onError: "nack", workers }],
  });
  const channels = Array.from({ length: 9 }, (_, i) => `in.${i}`);
  for (const channel of channels) harness.publishAll(channel, ["x", "x"]);
  await harness.folder.write("a.ts", COUNTER("2.0.0", true));
  const change = deploy(harness, null, { type: "replace" });
  for (const channel of channels) harness.publishAll(channel, ["x"]);
  await change;
  for (const channel of channels) harness.publishAll(channel, ["x"]);
  await harness.allSettled();
  for (const channel of channels) {
    expect(harness.outputs(channel).map((text) => text.split(" ")[1])).toEqual([
      "1",
      "2",
      "3",
      "4",
    ]);
    expect(harness.outputs(channel).at(-1)).toStartWith("2.0.0");
  }
  // And back again.
  await harness.runner.change({ action: "rollback", id: "probe" });
  for (const channel of channels) harness.publishAll(channel, ["x"]);
  await harness.allSettled();
  for (const channel of channels) expect(harness.outputs(channel).at(-1)).toBe("1.0.0 5");
  expect(harness.faults()).toEqual([]);
});

test("a lane whose worker died is built again from history", async () => {
  const published = new Map<string, Uint8Array[]>();
  await using harness = await start({
    files: { "a.ts": COUNTER("1.0.0", false) },
    history: async (channel, limit) => (published.get(channel) ?? []).slice(-limit),
  });
  harness.onSettled = ({ channel, output, type }) => {
    if (type !== "publish") return;
    const list = published.get(channel) ?? [];
    published.set(channel, [...list, new TextEncoder().encode(output)]);
  };
  harness.publishAll("in.x", ["x", "x", "x"]);
  await harness.allSettled();
  harness.publishAll("in.x", ["exit", "x"]);
  await harness.allSettled();
  expect(harness.outputs("in.x").filter((text) => text !== "exit")).toEqual([
    "1.0.0 1",
    "1.0.0 2",
    "1.0.0 3",
    "1.0.0 4",
  ]);
});

test("a worker killed while a version takes over loses nothing", async () => {
  const body = `if (text === "exit") process.exit(1); m.replace(text);`;
  await using harness = await start({ files: { "a.ts": plugin(body) } });
  await harness.folder.write("a.ts", plugin(body, { version: "2.0.0" }));
  harness.publishAll("in.x", ["1", "exit", "2"]);
  const change = deploy(harness, null, { type: "replace" });
  harness.publishAll("in.y", ["3", "exit", "4"]);
  await change;
  harness.publishAll("in.x", ["5"]);
  await harness.allSettled();
  expect(harness.faults()).toEqual([]);
  expect(harness.outputs("in.x")).toEqual(["1", "exit", "2", "5"]);
});

test("a change of the file on the disk is taken over when files are watched", async () => {
  await using harness = await start({
    files: { "a.ts": A },
    isWatching: true,
    times: { reloadDebounceMs: 5 },
  });
  await harness.folder.write("a.ts", B);
  while (harness.outputs("in.x").at(-1)?.startsWith("B") !== true) {
    harness.publishAll("in.x", ["x"]);
    await harness.allSettled();
  }
  expect(statusOf(harness).version).toBe("2.0.0");
});

test("a dry run gives outcomes and publishes nothing", async () => {
  await using harness = await start({ files: { "a.ts": A } });
  const outcomes = await harness.runner.dryRun({
    id: "probe",
    channel: "in.x",
    payloads: [new TextEncoder().encode("1")],
  });
  const [outcome] = outcomes;
  if (outcome?.type !== "publish") throw new Error("not published");
  expect(new TextDecoder().decode(outcome.bytes)).toBe("A 1");
  expect(harness.settled).toEqual([]);
});

test("an unknown transform, and one that must not be left out, are refused", async () => {
  await using harness = await start({ files: { "a.ts": A } });
  const rollback = harness.runner.change({ action: "rollback", id: "nope" });
  expect(String(await rejection(rollback))).toMatch(/no transform "nope"/);
  const closed = plugin(``, { extra: "failClosed: true," });
  const bindings = [{ use: "./a.ts", channels: ["x"], onError: "pass" as const }];
  const refused = RunnerHarness.start({ files: { "a.ts": closed }, bindings });
  expect(String(await rejection(refused))).toMatch(/onError cannot be "pass"/);
});

test("each change leaves one line in the log, also one that is refused", async () => {
  await using harness = await start({
    files: { "a.ts": A, "b.ts": B, "c.ts": "export default {;" },
  });
  const { runner, logger } = harness;
  const logged = (): unknown[] =>
    logger.entries
      .filter(({ event }) => event !== "transform_loaded")
      .map(({ level, event, fields }) => [level, event, fields?.["from"] ?? fields?.["action"]]);
  await deploy(harness, "./b.ts", { type: "canary", channels: ["in.x"] });
  await runner.change({ action: "promote", id: "probe" });
  await runner.change({ action: "rollback", id: "probe" });
  await rejection(runner.change({ action: "promote", id: "probe" }));
  await rejection(deploy(harness, "./c.ts", { type: "replace" }));
  await deploy(harness, "./b.ts", { type: "shadow", percent: 100 });
  await runner.change({ action: "promote", id: "probe" });
  expect(logged()).toEqual([
    ["info", "transform_deployed", undefined],
    ["info", "transform_promoted", "canary"],
    ["info", "transform_rolled_back", undefined],
    ["warn", "transform_change_refused", "promote"],
    ["warn", "transform_change_refused", "deploy"],
    ["info", "transform_deployed", undefined],
    ["info", "transform_promoted", "shadow"],
  ]);
  const refused = logger.entries.filter(({ event }) => event === "transform_change_refused");
  expect(JSON.stringify(refused[1]?.fields)).toContain("c.ts:1");
});
