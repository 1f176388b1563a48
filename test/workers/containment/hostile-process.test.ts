import { expect, test } from "bun:test";

import { isAnswer } from "../../../workers/host/is-answer.ts";
import { Random } from "../../support/random.ts";
import { plugin, RunnerHarness } from "../host/runner-harness.ts";

const GOOD_REPLY = {
  verdicts: new Uint8Array(4),
  fault: null,
  startedMs: 1,
  endedMs: 2,
  heapBytes: 3,
  notes: null,
};

test("answers of the wrong kind are found out", () => {
  expect(isAnswer("run", GOOD_REPLY)).toBe(true);
  const broken: readonly unknown[] = [
    null,
    "text",
    {},
    { ...GOOD_REPLY, verdicts: [1] },
    { ...GOOD_REPLY, startedMs: Number.NaN },
    { ...GOOD_REPLY, fault: undefined },
    { ...GOOD_REPLY, fault: { stage: 0, index: 0, fault: { type: "throw" } } },
    { ...GOOD_REPLY, notes: { logs: [{ stage: 0, level: "loud", message: "", fields: {} }] } },
  ];
  for (const value of broken) expect(isAnswer("run", value)).toBe(false);
  for (const method of ["load", "takeLanes", "test"] as const) {
    for (const value of [null, 1, {}, { ok: true }, [null]]) {
      expect(isAnswer(method, value)).toBe(false);
    }
  }
});

test("a transform that writes on its process's channel itself harms nobody but itself", async () => {
  const random = new Random(11);
  const junk = [
    `process.send(null)`,
    `process.send("text")`,
    `process.send({ id: 1e9, ok: true, result: null })`,
    // The number of the call that is under way can be guessed.
    `for (let id = 0; id < 50; id++) process.send({ id, ok: true, result: { verdicts: "none" } })`,
    `for (let id = 0; id < 50; id++) process.send({ id, ok: false })`,
  ];
  const body = junk.map((code, i) => `if (text === "${i}") { ${code}; }`).join("\n");
  await using harness = await RunnerHarness.start({
    files: { "hostile.ts": plugin(body), "good.ts": plugin(`m.replace(text + "!");`) },
    bindings: [
      { use: "./hostile.ts", channels: ["bad"], onError: "drop", isolation: "process" },
      { use: "./good.ts", channels: ["good"], onError: "nack" },
    ],
  });
  for (let i = 0; i < 30; i++) {
    harness.publishAll("bad", [String(random.below(junk.length + 1))]);
    harness.publishAll("good", ["x"]);
    await harness.allSettled();
  }
  expect(harness.faults()).toEqual([]);
  expect(new Set(harness.outputs("good"))).toEqual(new Set(["x!"]));
});
