import { expect, test } from "bun:test";

import type { TransformManifest } from "../../../workers/boundary/worker-link.ts";
import { bindAll, checkFit } from "../../../workers/host/binding.ts";
import type { Version } from "../../../workers/host/binding.ts";
import type { ErrorPolicy } from "../../../workers/host/host-types.ts";
import { decidingStage } from "../../../workers/host/policy.ts";

function manifest(failClosed = false): TransformManifest {
  return {
    api: 1,
    name: "probe",
    version: "1.0.0",
    description: null,
    match: { channels: null, minBytes: 0, maxBytes: Infinity },
    order: "channel",
    hasLaneState: false,
    hasSnapshot: false,
    lookBack: 0,
    isAsync: false,
    failClosed,
    limits: {
      batch: 256,
      batchBytes: 262_144,
      timeoutMs: 1000,
      heapMb: 256,
      maxEmissions: 8,
      laneQueue: 4096,
    },
    configSchema: null,
    file: "/probe.ts",
    integrity: "",
  };
}

function versions(...policies: readonly ErrorPolicy[]): Version[] {
  const bounds = bindAll(
    policies.map((onError) => ({ use: "./probe.ts", channels: ["x"], onError })),
  );
  return bounds.map((bound) => ({ bound, use: bound.use, config: null, manifest: manifest() }));
}

test("the stage that failed has its policy", () => {
  expect(decidingStage(versions("nack", "drop"), 1)).toBe(1);
  expect(decidingStage(versions("drop", "dead-letter:dead"), 0)).toBe(0);
});

test("pass of one stage never leaves out another", () => {
  expect(decidingStage(versions("nack", "pass"), 1)).toBe(0);
  expect(decidingStage(versions("pass", "drop", "dead-letter:dead"), 0)).toBe(2);
  expect(decidingStage(versions("pass", "pass"), 1)).toBe(1);
});

test("when no stage is to blame the strictest policy speaks", () => {
  expect(decidingStage(versions("pass", "drop", "nack"), null)).toBe(2);
  expect(decidingStage(versions("pass", "drop", "dead-letter:dead"), null)).toBe(2);
});

test("ids come from what is used, and are never the same", () => {
  const binding = { channels: ["x"], onError: "drop" } as const;
  const bounds = bindAll([
    { ...binding, use: "./folder/redact.ts" },
    { ...binding, use: "redact" },
    { ...binding, use: "@acme/redact" },
  ]);
  expect(bounds.map(({ id }) => id)).toEqual(["redact", "redact-2", "redact-3"]);
  const twice = [0, 1].map(() => ({ ...binding, id: "a", use: "b" }));
  expect(() => bindAll(twice)).toThrow(/two transforms have the id "a"/);
});

test.each([
  [{ channels: [] }, /no channels/],
  [{ channels: ["a..b"] }, /not a channel or pattern/],
  [{ emit: ["a b"] }, /not a channel or pattern/],
  [{ workers: 0 }, /1 to 16/],
  [{ workers: 17 }, /1 to 16/],
  [{ onError: "dead-letter:a.*" as const }, /not a channel for dead letters/],
  [{ onError: "ignore" as never }, /onError must be/],
])("a binding that cannot be is refused: %o", (change, says) => {
  const binding = { use: "./a.ts", channels: ["x"], onError: "drop" as const, ...change };
  expect(() => bindAll([binding])).toThrow(says);
});

test("a transform that must not be left out refuses the policies that leave it out", () => {
  const binding = { use: "./a.ts", channels: ["x"] };
  const [pass, bypass, nack] = bindAll([
    { ...binding, onError: "pass" },
    { ...binding, onError: "nack", shed: "bypass" },
    { ...binding, onError: "nack" },
  ]);
  if (pass === undefined || bypass === undefined || nack === undefined) throw new Error("unbound");
  expect(() => checkFit(pass, manifest(true))).toThrow(/onError cannot be "pass"/);
  expect(() => checkFit(bypass, manifest(true))).toThrow(/shed cannot be "bypass"/);
  expect(() => checkFit(nack, manifest(true))).not.toThrow();
  expect(() => checkFit(pass, manifest(false))).not.toThrow();
});
