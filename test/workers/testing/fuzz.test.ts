import { describe, expect, test } from "bun:test";

import { defineTransform } from "../../../workers/sdk/index.ts";
import { harness } from "../../../workers/testing/index.ts";

const SEED = 7;

describe("fuzzing", () => {
  test("finds nothing in a transform that takes anything, and replays by its seed", async () => {
    const careful = defineTransform({
      name: "careful",
      version: "1.0.0",
      process(batch) {
        for (const item of batch) {
          if (item.bytes.length === 0) item.drop("empty");
          else if (item.bytes[0] === 0x7b) item.replace(item.bytes);
        }
      },
    });
    await using h = harness(careful);
    const samples = [{ a: 1 }, "text"];
    const report = await h.fuzz({ seed: SEED, runs: 50, samples });
    expect(report.problems).toEqual([]);
    expect(report.messages).toBeGreaterThan(300);
    const { pass, replace, drop } = report.verdicts;
    expect(Math.min(pass, replace, drop)).toBeGreaterThan(0);
    expect(await h.fuzz({ seed: SEED, runs: 50, samples })).toEqual(report);
  });

  test("finds a throw, and the payload that brings it up", async () => {
    const trusting = defineTransform({
      name: "trusting",
      version: "1.0.0",
      process(batch) {
        for (const item of batch) item.replaceJson(item.json());
      },
    });
    await using h = harness(trusting);
    const { problems, verdicts } = await h.fuzz({ seed: SEED, runs: 20 });
    expect(problems.length).toBeGreaterThan(0);
    expect(problems[0]?.problem).toStartWith("throw: SyntaxError");
    const bytes = Uint8Array.fromBase64(problems[0]?.base64 ?? "");
    expect(() => JSON.parse(new TextDecoder().decode(bytes))).toThrow();
    expect(verdicts.fail).toBeGreaterThan(0);
  });

  test("finds bytes that are written to", async () => {
    const scribbler = defineTransform({
      name: "scribbler",
      version: "1.0.0",
      process(batch) {
        for (const item of batch) item.bytes.fill(0);
      },
    });
    await using h = harness(scribbler);
    const { problems } = await h.fuzz({ seed: SEED, runs: 3 });
    expect(problems[0]?.problem).toBe("the transform has written to the bytes of a message");
  });
});
