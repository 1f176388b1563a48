import { describe, expect, test } from "bun:test";

import { EngineBench, NAMESPACE, numbered, SETTINGS } from "./engine-harness.ts";
import type { EngineFactory } from "./engine-harness.ts";

/** What is kept, for how long, and what a reader is told about the rest. */
export function historyContract(factory: EngineFactory): void {
  const testTime = factory.canAdvance ? test : test.skip;

  describe("history", () => {
    test("of a channel without publications is empty and complete", async () => {
      await using bench = await EngineBench.start(factory);
      const { stream } = await bench.attached("a");
      const { epoch } = stream;
      expect(await bench.history(stream)).toEqual({
        epoch,
        offset: 0,
        complete: true,
        publications: [],
      });
      const since = { epoch, offset: 0 };
      expect(await bench.history(stream, { since })).toMatchObject({ complete: true });
    });

    test("gives the newest, oldest of them first, and with a limit of 0 the position alone", async () => {
      await using bench = await EngineBench.start(factory);
      const { stream } = await bench.attached("a");
      await bench.publishAll(stream, numbered("x", 20));
      expect(await bench.texts(stream, { limit: 3 })).toEqual(["x18", "x19", "x20"]);
      expect(await bench.texts(stream, { limit: 1000 })).toEqual(numbered("x", 20));
      const position = await bench.history(stream, { limit: 0 });
      expect(position).toMatchObject({ offset: 20, epoch: stream.epoch, complete: true });
      expect(position.publications).toEqual([]);
    });

    test("gives what follows a position, oldest first, and says that it is all", async () => {
      await using bench = await EngineBench.start(factory);
      const { stream } = await bench.attached("a");
      await bench.publishAll(stream, numbered("x", 20));
      const since = { epoch: stream.epoch, offset: 5 };
      expect(await bench.texts(stream, { since, limit: 3 })).toEqual(["x6", "x7", "x8"]);
      const rest = await bench.history(stream, { since });
      expect(rest.complete).toBe(true);
      expect(rest.publications.map(({ offset }) => offset)).toEqual(
        numbered("", 15, 6).map(Number),
      );
      const newest = await bench.history(stream, { since: { epoch: stream.epoch, offset: 20 } });
      expect(newest).toMatchObject({ complete: true, publications: [] });
    });

    test("says that it is not all when something after the position is gone, and gives what there is", async () => {
      await using bench = await EngineBench.start(factory);
      const { stream } = await bench.attached("a", { historySize: 10 });
      await bench.publishAll(stream, numbered("x", 30));
      const fromGone = await bench.history(stream, { since: { epoch: stream.epoch, offset: 19 } });
      expect(fromGone.complete).toBe(false);
      expect(fromGone.publications[0]?.offset).toBe(21);
      expect(fromGone.publications).toHaveLength(10);
      const fromKept = await bench.history(stream, { since: { epoch: stream.epoch, offset: 20 } });
      expect(fromKept.complete).toBe(true);
      expect(fromKept.publications).toHaveLength(10);
    });

    test("takes a position of another epoch, or beyond the newest, for one it cannot continue", async () => {
      await using bench = await EngineBench.start(factory);
      const { stream } = await bench.attached("a");
      await bench.publishAll(stream, ["x1", "x2"]);
      for (const since of [
        { epoch: "another", offset: 1 },
        { epoch: stream.epoch, offset: 3 },
      ]) {
        const result = await bench.history(stream, { since });
        expect(result).toMatchObject({ complete: false, offset: 2, epoch: stream.epoch });
      }
    });

    for (const historySize of [1, 7, 50]) {
      test(`holds the newest ${historySize} and no more`, async () => {
        await using bench = await EngineBench.start(factory);
        const { stream } = await bench.attached("a", { historySize });
        for (let from = 1; from <= 201; from += 50) {
          await bench.publishAll(stream, numbered("x", 50, from));
          const newest = numbered("x", historySize, from + 50 - historySize);
          expect(await bench.texts(stream)).toEqual(newest);
        }
      });
    }

    test("of size 0 holds nothing, while offsets go on", async () => {
      await using bench = await EngineBench.start(factory);
      const { stream } = await bench.attached("a", { historySize: 0 });
      await bench.publishAll(stream, ["x1", "x2"]);
      expect(await bench.history(stream)).toMatchObject({ offset: 2, publications: [] });
    });

    test("cannot be changed through what it gave", async () => {
      await using bench = await EngineBench.start(factory);
      const { stream } = await bench.attached("a");
      await bench.publishAll(stream, ["x1"]);
      const { publications } = await bench.history(stream);
      publications[0]?.payload.fill(0);
      expect(await bench.texts(stream)).toEqual(["x1"]);
    });

    testTime("holds nothing older than its time, at each moment", async () => {
      await using bench = await EngineBench.start(factory);
      const { stream } = await bench.attached("a", { historyTtlMs: 1000 });
      await bench.publishAll(stream, ["x1"]);
      await bench.advance(600);
      await bench.publishAll(stream, ["x2"]);
      await bench.advance(399);
      expect(await bench.texts(stream)).toEqual(["x1", "x2"]);
      await bench.advance(2);
      expect(await bench.texts(stream)).toEqual(["x2"]);
      const sinceGone = { epoch: stream.epoch, offset: 0 };
      expect(await bench.history(stream, { since: sinceGone })).toMatchObject({ complete: false });
      await bench.advance(600);
      expect(await bench.history(stream)).toMatchObject({ offset: 2, publications: [] });
      const sinceNewest = { epoch: stream.epoch, offset: 2 };
      expect(await bench.history(stream, { since: sinceNewest })).toMatchObject({ complete: true });
    });

    testTime("is let go of in a sweep once it has expired, with its ids", async () => {
      await using bench = await EngineBench.start(factory);
      const { stream } = await bench.attached("a");
      for (const id of numbered("id", 40))
        await bench.publish(stream, new Uint8Array(1000), { id });
      await bench.settle();
      expect(stream.log.heldBytes).toBeGreaterThan(40_000);
      await bench.advance(Math.max(NAMESPACE.historyTtlMs, SETTINGS.idempotencyWindowMs) + 1);
      bench.engine.sweep(bench.nowMs());
      await bench.settle();
      expect(stream.log.heldBytes).toBe(0);
      expect(stream.log.offset).toBe(40);
      await bench.publishAll(stream, ["x41"]);
      expect(await bench.texts(stream)).toEqual(["x41"]);
    });
  });

  describe("an unused stream", () => {
    testTime("is idle once neither its channel nor its history is wanted any more", async () => {
      await using bench = await EngineBench.start(factory);
      for (const historyTtlMs of [SETTINGS.channelIdleMs / 2, SETTINGS.channelIdleMs * 2]) {
        const { stream } = await bench.attached(`ttl-${historyTtlMs}`, { historyTtlMs });
        await bench.publishAll(stream, ["x1"]);
        bench.engine.detach(stream);
        await bench.settle();
        expect(bench.engine.isIdle(stream, bench.nowMs())).toBe(false);
        await bench.advance(Math.max(SETTINGS.channelIdleMs, historyTtlMs) - 1);
        expect(bench.engine.isIdle(stream, bench.nowMs())).toBe(false);
        await bench.advance(2);
        expect(bench.engine.isIdle(stream, bench.nowMs())).toBe(true);
      }
    });

    testTime("counts publishing, subscribing and leaving as use", async () => {
      await using bench = await EngineBench.start(factory);
      const { stream } = await bench.attached("a");
      const nearlyIdleMs = SETTINGS.channelIdleMs - 1;
      const uses = [
        () => bench.publishAll(stream, ["x"]),
        async () => bench.engine.attach(stream),
        async () => bench.engine.detach(stream),
      ];
      for (const use of uses) {
        await bench.advance(nearlyIdleMs);
        await use();
        await bench.advance(nearlyIdleMs);
        expect(bench.engine.isIdle(stream, bench.nowMs())).toBe(false);
      }
    });
  });
}
