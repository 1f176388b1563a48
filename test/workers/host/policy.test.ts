import { describe, expect, test } from "bun:test";

import type { TransformManifest } from "../../../workers/boundary/worker-link.ts";
import { bindAll, checkFit } from "../../../workers/host/binding.ts";
import type { Version } from "../../../workers/host/binding.ts";
import { BREAKER_LOSSES, DEFAULT_TIMES } from "../../../workers/host/host-options.ts";
import type {
  ErrorPolicy,
  TransformOutcome,
  TransformTiming,
} from "../../../workers/host/host-types.ts";
import type { Entry } from "../../../workers/host/lane.ts";
import { decidingStage, failureOutcome } from "../../../workers/host/policy.ts";

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
  return bounds.map((bound) => ({
    bound,
    use: bound.use,
    config: null,
    code: null,
    manifest: manifest(),
  }));
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

describe("a publication that is refused", () => {
  const entry = { chunk: { bytes: Buffer.from("x") }, start: 0, end: 1, channel: "x", meta: null };
  const timing = {} as TransformTiming;
  const refusal = (type: string): TransformOutcome => {
    const failure = { stage: 0, type, message: "broken", attempt: 1 };
    return failureOutcome(entry as unknown as Entry, versions("nack"), failure, timing);
  };

  test.each(["timeout", "memory", "crash", "tripped"])(
    "for %s, is not tried again so soon that the workers it costs trip the breaker",
    (type) => {
      const outcome = refusal(type);
      if (outcome.type !== "reject") throw new Error(outcome.type);
      expect(outcome.error.code).toBe("transformFailed");
      const { retryAfterMs } = outcome.error;
      const losses = DEFAULT_TIMES.breakerWindowMs / (retryAfterMs ?? 1) + 1;
      expect(losses).toBeLessThan(BREAKER_LOSSES);
    },
  );

  test.each(["verdict", "throw", "emission"])("for %s, is refused for good", (type) => {
    const error = { code: "transformRejected", message: `${type}: broken`, retryAfterMs: null };
    expect(refusal(type)).toMatchObject({ type: "reject", error });
  });
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
