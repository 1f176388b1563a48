import { describe, expect, test } from "bun:test";

import { defineTransform } from "../../../workers/sdk/index.ts";
import { harness, HarnessError, message } from "../../../workers/testing/index.ts";
import { rejection } from "../../support/rejection.ts";
import { TempFolder } from "../../support/temp-folder.ts";
import { transform as countByKind } from "./count-by-kind.ts";

const PATH = new URL("./count-by-kind.ts", import.meta.url).pathname;
const emit = ["large.>"];

function start(where: string, options: { history?: Record<string, unknown[]> } = {}) {
  const outer = harness(countByKind, { emit, ...options });
  const h = where === "in this thread" ? outer : outer.inWorker(PATH);
  return { h, [Symbol.asyncDispose]: () => outer.close() };
}

const orders = [
  message("orders.1", { price: 1 }),
  message("orders.1", { kind: "test" }),
  message("orders.2", { price: 200 }, { key: "k", headers: { from: "a" } }),
  message("orders.1", {}),
  message("orders.1", { price: 0 }),
  message("orders.1", { price: 2 }),
  message("orders.1", "no JSON"),
];

for (const where of ["in this thread", "in a thread of its own"]) {
  describe(`a harness ${where}`, () => {
    test("tells verdicts, outputs, emissions, logs and metrics", async () => {
      await using under = start(where);
      const result = await under.h.run(orders);
      expect(result.verdicts).toEqual([
        "replace",
        "drop",
        "replace",
        "fail",
        "pass",
        "replace",
        "fail",
      ]);
      expect(result.outputs.map((output) => output?.json())).toEqual([
        { price: 10, seen: 1 },
        undefined,
        { price: 2000, seen: 1 },
        undefined,
        { price: 0 },
        { price: 20, seen: 2 },
        undefined,
      ]);
      expect(result.outcomes[1]?.reason).toBe("a test");
      expect(result.outcomes[2]?.headers).toEqual({ from: "a", factor: "10" });
      expect(result.outcomes[3]?.error).toMatchObject({ type: "verdict", message: "no price" });
      expect(result.outcomes[6]?.error).toMatchObject({
        type: "throw",
        name: "SyntaxError",
        line: 28,
      });
      expect(result.emissions.map((out) => [out.channel, out.decode()])).toEqual([
        ["large.orders", { price: 200 }],
      ]);
      expect(result.logs.map((log) => log.message)).toEqual(["set up", "free"]);
      expect(result.metrics).toHaveLength(2);
      expect(result.metrics.reduce((sum, metric) => sum + metric.value, 0)).toBe(203);
      expect(result.faults).toEqual([]);
    });

    test("keeps lanes over a reload, as the transform hands them over", async () => {
      await using under = start(where);
      await under.h.run(orders);
      await under.h.reload();
      const { outputs } = await under.h.run([message("orders.1", { price: 1 })]);
      expect(outputs[0]?.json()).toEqual({ price: 10, seen: 3 });
    });

    test("shows history to a lane that is new", async () => {
      await using under = start(where, { history: { "orders.1": [{ price: 1 }, { price: 2 }] } });
      for (const seen of [3, 4]) {
        const { outputs } = await under.h.run([message("orders.1", { price: 1 })]);
        expect(outputs[0]?.json()).toEqual({ price: 10, seen });
      }
    });
  });
}

describe("a harness", () => {
  test("says what is wrong with a transform that cannot be loaded", async () => {
    const definition = defineTransform({ name: "Bad Name", version: "1.0.0", process() {} });
    await using h = harness(definition);
    expect(String(await rejection(h.run([])))).toContain(
      "load: name must be lower case words with hyphens",
    );
    await using folder = await TempFolder.create();
    const path = await folder.write("broken.ts", "\nconst = 1;\n");
    const error = await rejection(h.inWorker(path).manifest());
    expect(error).toBeInstanceOf(HarnessError);
    expect((error as HarnessError).fault).toMatchObject({ type: "load", line: 2 });
  });

  test("ends the thread of a message that takes too long, and says which it was", async () => {
    await using outer = harness(countByKind);
    const h = outer.inWorker(PATH);
    const batch = [message("a", { price: 0 }), message("a", { kind: "hang" })];
    const took = "HarnessError: message 1 took longer than 300 ms";
    expect(String(await rejection(h.run(batch)))).toBe(took);
    expect(String(await rejection(h.run(batch)))).toBe(took);
  });

  test("says so when the thread is lost", async () => {
    await using folder = await TempFolder.create();
    const path = await folder.write(
      "exits.ts",
      'export default { name: "exits", version: "1.0.0", process() { process.exit(3); } };\n',
    );
    await using outer = harness(countByKind);
    const lost = await rejection(outer.inWorker(path).run([message("a", "x")]));
    expect(String(lost)).toContain("HarnessError: the thread has ended");
  });

  test("tries the messages of an async transform alone until it knows which one fails", async () => {
    const definition = defineTransform({
      name: "picky",
      version: "1.0.0",
      async: true,
      async process(batch, { attempt }) {
        await Promise.all(
          [...batch].map(async (item) => {
            await Promise.resolve();
            if (item.text() === "bad") throw new RangeError("bad");
            item.replace(`${item.text()}${attempt > 1 ? "!" : ""}`);
          }),
        );
      },
    });
    await using h = harness(definition);
    const { verdicts, outcomes } = await h.run(
      ["a", "b", "bad", "d"].map((text) => message("x", text)),
    );
    expect(verdicts).toEqual(["replace", "replace", "fail", "replace"]);
    expect(outcomes[2]?.error).toMatchObject({ type: "throw", name: "RangeError" });
  });

  test("applies what the transform declares to match", async () => {
    const definition = defineTransform({
      name: "dropper",
      version: "1.0.0",
      match: { channels: ["a.*"] },
      process(batch) {
        for (const item of batch) item.drop();
      },
    });
    await using h = harness(definition);
    const { verdicts } = await h.run([message("a.b", "x"), message("b", "x")]);
    expect(verdicts).toEqual(["drop", "pass"]);
  });
});
