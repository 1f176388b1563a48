import { describe, expect, test } from "bun:test";

import { encodeMeta } from "../../broker/meta.ts";
import { EMPTY_META } from "../../protocol/messages/meta.ts";
import { EngineBench, numbered, SETTINGS, textsOf } from "./engine-harness.ts";
import type { EngineFactory } from "./engine-harness.ts";

/** Offsets, epochs, the order of calls, and publication ids. */
export function publishContract(factory: EngineFactory): void {
  const testTime = factory.canAdvance ? test : test.skip;
  // See EngineFactory.isShared for why.
  const testOwn = factory.isShared === true ? test.skip : test;

  describe("publishing", () => {
    test("counts offsets from 1 without holes, channel by channel", async () => {
      await using bench = await EngineBench.start(factory);
      const { stream: a } = await bench.attached("a");
      const { stream: b } = await bench.attached("b");
      expect(a.log.offset).toBe(0);
      const offsets = await Promise.all(
        numbered("x", 30).map((text, i) => bench.publish(i % 3 === 0 ? b : a, text)),
      );
      await bench.settle();
      const ofA = offsets.filter((_, i) => i % 3 !== 0).map(({ offset }) => offset);
      const ofB = offsets.filter((_, i) => i % 3 === 0).map(({ offset }) => offset);
      expect(ofA).toEqual(numbered("", 20).map(Number));
      expect(ofB).toEqual(numbered("", 10).map(Number));
      expect([a.log.offset, b.log.offset]).toEqual([20, 10]);
    });

    test("hands every publication to the listener once, in the order of the offsets", async () => {
      await using bench = await EngineBench.start(factory);
      const { stream, listener } = await bench.attached("a");
      await bench.publishAll(stream, numbered("x", 25));
      await bench.publishAll(stream, numbered("x", 5, 26));
      expect(textsOf(listener.taken)).toEqual(numbered("x", 30));
      expect(listener.taken.map(({ offset }) => offset)).toEqual(numbered("", 30).map(Number));
      expect(listener.appendedCount).toBe(30);
      expect(listener.faults).toEqual([]);
    });

    test("asks the listener to take what is pending before it would be split", async () => {
      await using bench = await EngineBench.start(factory);
      for (const historySize of [0, 1, 50]) {
        const { stream, listener } = await bench.attached(`h${historySize}`, { historySize });
        const sizes = Array.from({ length: 40 }, (_, i) => (i % 7 === 0 ? 50_000 : i * 100));
        await Promise.all(
          sizes.map((size) => bench.publish(stream, new Uint8Array(size).fill(size))),
        );
        await bench.settle();
        expect(listener.mustTakeCount).toBeGreaterThan(0);
        expect(listener.taken.map(({ payload }) => payload.length)).toEqual(sizes);
        expect(
          listener.taken.every(({ payload }) =>
            payload.every((byte) => byte === payload.length % 256),
          ),
        ).toBe(true);
        expect(listener.faults).toEqual([]);
      }
    });

    test("publishes without a listener as well, and without one to acknowledge to", async () => {
      await using bench = await EngineBench.start(factory);
      const stream = bench.open("a");
      await bench.publishAll(stream, ["x1", "x2"]);
      bench.engine.publish(stream, new TextEncoder().encode("x3"), 0, 2, null, null, null, 0);
      await bench.settle();
      expect(await bench.texts(stream)).toEqual(["x1", "x2", "x3"]);
      const listener = await bench.attached("a");
      await bench.publishAll(stream, ["x4"]);
      expect(textsOf(listener.listener.taken)).toEqual(["x4"]);
    });

    test("keeps payloads of every size byte for byte, though the message is overwritten", async () => {
      await using bench = await EngineBench.start(factory);
      const { stream } = await bench.attached("a");
      const sizes = [0, 1, 31, 32, 255, 256, 65_535, 65_536, 200_000];
      const payloads = sizes.map((size) =>
        Uint8Array.from({ length: size }, (_, i) => (i * 31) % 251),
      );
      await Promise.all(payloads.map((payload) => bench.publish(stream, payload)));
      await bench.settle();
      const { publications } = await bench.history(stream);
      expect(publications.map(({ payload }) => payload)).toEqual(payloads);
    });

    test("carries meta to listener and history", async () => {
      await using bench = await EngineBench.start(factory);
      const { stream, listener } = await bench.attached("a");
      const headers = new Map([["lang", "en"]]);
      const meta = encodeMeta({ ...EMPTY_META, id: "one", key: "k", headers }, 1_234_567, "ada");
      await bench.publish(stream, "x", { meta, id: "one" });
      await bench.settle();
      const expected = {
        ...EMPTY_META,
        id: "one",
        key: "k",
        headers,
        timeMs: 1_234_567,
        user: "ada",
      };
      expect(listener.taken[0]?.meta).toEqual(expected);
      expect((await bench.history(stream)).publications[0]?.meta).toEqual(expected);
    });
  });

  describe("streams", () => {
    test("are one for each name, with ids that are never the same", async () => {
      await using bench = await EngineBench.start(factory);
      const a = bench.open("a");
      const b = bench.open("b");
      expect(bench.open("a")).toBe(a);
      expect(a.name).toBe("a");
      expect(a.id).toBeGreaterThan(0);
      expect(b.id).not.toBe(a.id);
      bench.engine.close(a);
      const again = bench.open("a");
      expect([a.id, b.id]).not.toContain(again.id);
    });

    test("have epochs that are short, printable, and different from one another", async () => {
      await using bench = await EngineBench.start(factory);
      const epochs = new Set<string>();
      for (const name of numbered("a", 50)) {
        const { stream } = await bench.attached(name);
        expect(stream.epoch).toMatch(/^[\x21-\x7e]{1,32}$/);
        epochs.add(stream.epoch);
      }
      expect(epochs.size).toBe(50);
    });

    test("go on where they were when closed and opened again, or begin a new epoch at 1", async () => {
      await using bench = await EngineBench.start(factory);
      const { stream } = await bench.attached("a");
      await bench.publishAll(stream, ["x1", "x2"]);
      const { epoch } = stream;
      bench.engine.detach(stream);
      bench.engine.close(stream);
      const { stream: again } = await bench.attached("a");
      const [offset] = await bench.publishAll(again, ["x3"]);
      if (factory.closeEndsEpoch) expect(again.epoch).not.toBe(epoch);
      expect(offset).toBe(again.epoch === epoch ? 3 : 1);
    });

    test("take an interest again after it was given back", async () => {
      await using bench = await EngineBench.start(factory);
      const { stream, listener } = await bench.attached("a");
      bench.engine.detach(stream);
      await bench.engine.attach(stream);
      await bench.publishAll(stream, ["x1"]);
      expect(textsOf(listener.taken)).toEqual(["x1"]);
    });
  });

  describe("publication ids", () => {
    test("are stored once: the same id gets the first one's offset, and nobody hears of it", async () => {
      await using bench = await EngineBench.start(factory);
      const { stream, listener } = await bench.attached("a");
      const first = await bench.publish(stream, "x", { id: "one" });
      await bench.publish(stream, "y", { id: "two" });
      const again = await bench.publish(stream, "x", { id: "one" });
      await bench.settle();
      expect([first.offset, again.offset]).toEqual([1, 1]);
      expect(textsOf(listener.taken)).toEqual(["x", "y"]);
      expect(listener.appendedCount).toBe(2);
      expect(await bench.texts(stream)).toEqual(["x", "y"]);
    });

    test("are stored once though they come at the same time", async () => {
      await using bench = await EngineBench.start(factory);
      const { stream } = await bench.attached("a");
      const ids = ["one", "two", "one", "one", "two", "three"];
      const outcomes = await Promise.all(ids.map((id) => bench.publish(stream, id, { id })));
      await bench.settle();
      expect(outcomes.map(({ offset }) => offset)).toEqual([1, 2, 1, 1, 2, 3]);
      expect(await bench.texts(stream)).toEqual(["one", "two", "three"]);
    });

    test("belong to their channel", async () => {
      await using bench = await EngineBench.start(factory);
      const { stream: a } = await bench.attached("a");
      const { stream: b } = await bench.attached("b");
      await bench.publish(a, "x", { id: "one" });
      await bench.publish(b, "x", { id: "one" });
      await bench.settle();
      expect(await bench.texts(b)).toEqual(["x"]);
    });

    testOwn("work on a channel without history", async () => {
      await using bench = await EngineBench.start(factory);
      const { stream, listener } = await bench.attached("a", { historySize: 0 });
      await bench.publish(stream, "x", { id: "one" });
      const again = await bench.publish(stream, "x", { id: "one" });
      await bench.settle();
      expect(again.offset).toBe(1);
      expect(textsOf(listener.taken)).toEqual(["x"]);
    });

    testOwn("are remembered up to their count", async () => {
      await using bench = await EngineBench.start(factory, { ...SETTINGS, idempotencyKeys: 10 });
      const { stream } = await bench.attached("a");
      for (const id of numbered("id", 11)) await bench.publish(stream, id, { id });
      const newest = await bench.publish(stream, "again", { id: "id2" });
      const oldest = await bench.publish(stream, "again", { id: "id1" });
      expect([newest.offset, oldest.offset]).toEqual([2, 12]);
    });

    testTime("are remembered for their time, counted from the first", async () => {
      await using bench = await EngineBench.start(factory);
      const { stream } = await bench.attached("a");
      await bench.publish(stream, "x", { id: "one" });
      await bench.advance(SETTINGS.idempotencyWindowMs - 1);
      expect((await bench.publish(stream, "x", { id: "one" })).offset).toBe(1);
      await bench.advance(2);
      expect((await bench.publish(stream, "x", { id: "one" })).offset).toBe(2);
    });
  });
}
