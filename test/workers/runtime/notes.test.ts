import { describe, expect, test } from "bun:test";

import { MAX_LOGS_PER_SECOND, MAX_METRIC_NAMES, Notes } from "../../../workers/runtime/notes.ts";
import { message } from "../../../workers/testing/message.ts";
import { RuntimeUnderTest, transformModule } from "../../support/transform-runtime.ts";

describe("logs", () => {
  test("are bounded for each stage and second; the rest is counted", () => {
    let nowMs = 5000;
    const notes = new Notes(() => nowMs);
    const [first, second] = [notes.logger(0), notes.logger(1)];
    for (let i = 0; i < MAX_LOGS_PER_SECOND + 7; i++) first.info(`line ${i}`);
    second.warn("other");
    const taken = notes.take();
    expect(taken?.logs).toHaveLength(MAX_LOGS_PER_SECOND + 1);
    expect(taken?.logsSuppressed).toBe(7);
    expect(taken?.logs.at(-1)).toEqual({ stage: 1, level: "warn", message: "other", fields: {} });
    first.info("in the same second");
    expect(notes.take()).toMatchObject({ logs: [], logsSuppressed: 1 });
    nowMs += 1000;
    first.error("in the next one");
    expect(notes.take()?.logs).toHaveLength(1);
    expect(notes.take()).toBeNull();
  });

  test("are plain data, whatever a plugin hands in", () => {
    const notes = new Notes(() => 0);
    const hostile = new Proxy(
      {},
      {
        ownKeys: () => {
          throw new Error("no");
        },
        get: () => {
          throw new Error("no");
        },
      },
    );
    const fields = {
      n: 1.5,
      big: 10n,
      error: new RangeError("odd"),
      f: () => 1,
      deep: { a: [1, { b: 2 }] },
      long: "x".repeat(9999),
      hostile,
    };
    notes.logger(0).debug("y".repeat(9999), fields);
    const taken = notes.take();
    expect(structuredClone(taken)).toEqual(taken);
    const [log] = taken?.logs ?? [];
    expect(log?.message).toHaveLength(1000);
    expect(log?.fields).toMatchObject({ n: 1.5, big: "10n", error: "RangeError: odd" });
    expect(String(log?.fields["long"]).length).toBe(500);
  });
});

describe("metrics", () => {
  test("cross as one sum for each name and batch", async () => {
    await using under = await RuntimeUnderTest.create();
    await under.load(
      transformModule(`process(batch, ctx) {
        for (const m of batch) {
          ctx.metrics.count("seen"); ctx.metrics.observe("size", m.bytes.length);
        }
        ctx.log.info("done", { at: typeof ctx.now() });
      }`),
    );
    const { reply } = await under.run([message("a", "x"), message("a", "xyz")]);
    expect(reply.notes).toEqual({
      logs: [{ stage: 0, level: "info", message: "done", fields: { at: "number" } }],
      logsSuppressed: 0,
      metrics: [
        { stage: 0, kind: "count", name: "seen", value: 2, count: 2 },
        { stage: 0, kind: "observe", name: "size", value: 4, count: 2 },
      ],
      metricsSuppressed: 0,
      faults: [],
      faultsSuppressed: 0,
    });
    const { reply: next } = await under.run([message("a", "x")]);
    expect(next.notes?.metrics[0]).toMatchObject({ name: "seen", value: 1, count: 1 });
  });

  test("are bounded by their names, and take no value that would spoil a sum", () => {
    const notes = new Notes();
    const metrics = notes.metrics(0);
    for (let i = 0; i < MAX_METRIC_NAMES + 3; i++) metrics.count(`m${i}`);
    metrics.count("bad name");
    metrics.count("m0", -1);
    metrics.observe("m0", Number.NaN);
    const taken = notes.take();
    expect(taken?.metrics).toHaveLength(MAX_METRIC_NAMES);
    expect(taken?.metrics[0]).toMatchObject({ name: "m0", value: 1 });
    expect(taken?.metricsSuppressed).toBe(3 + 3);
  });
});

describe("an exception that nobody waits for", () => {
  for (const [what, body] of [
    ["thrown in a timer", 'setTimeout(() => { ran(); throw new RangeError("late"); })'],
    ["rejected", 'Promise.reject(new RangeError("late")); setTimeout(ran)'],
  ] as const) {
    test(`${what} is noted with the next reply, and the worker lives`, async () => {
      await using under = await RuntimeUnderTest.create();
      const ran = Promise.withResolvers<void>();
      const slot = globalThis as { tickwireTestRan?: () => void };
      slot.tickwireTestRan = () => ran.resolve();
      const imports = "const ran = () => globalThis.tickwireTestRan();";
      await under.load(
        transformModule(
          `process(batch) { for (const m of batch) if (m.text() === "start") { ${body}; } }`,
          imports,
        ),
      );
      await under.run([message("a", "start")]);
      await ran.promise;
      const { reply, outcomes } = await under.run([message("a", "x")]);
      delete slot.tickwireTestRan;
      expect(outcomes[0]?.verdict).toBe("pass");
      expect(reply.notes?.faults).toHaveLength(1);
      expect(reply.notes?.faults[0]).toMatchObject({
        stage: 0,
        fault: { type: "crash", name: "RangeError", message: "late", line: 3 },
      });
    });
  }
});
