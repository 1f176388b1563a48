import { describe, expect, test } from "bun:test";

import { message } from "../../../workers/testing/message.ts";
import { rejection } from "../../support/rejection.ts";
import { RuntimeUnderTest, transformModule } from "../../support/transform-runtime.ts";

/**
 * What a reload may leave behind on the heap, bytes. Measured: 820, and 1 060 000 when loads are not disposed of (Bun
 * 1.4.5, 2026-11-22).
 */
const MAX_BYTES_PER_RELOAD = 64 * 1024;

interface Measured {
  readonly reloads: number;
  /** Batches that came out as the load of their own says. */
  readonly outputs: number;
  readonly heapBytesPerReload: number;
}

const tearing = (name: string, after: string): string =>
  transformModule(
    `setup: () => "${name}", process() {},
    teardown(state) { globalThis.tickwireTestTorn(state); ${after} }`,
  );

const saying = (text: string): string =>
  transformModule(`process(batch) { for (const m of batch) m.replace("${text}"); }`);

describe("reloading", () => {
  test("hundreds of times keeps nothing of earlier loads", async () => {
    // A process of its own: the figures are of a broker's loads, not of what `bun test` keeps of files.
    const entry = new URL("reload-heap.entry.ts", import.meta.url).pathname;
    const child = Bun.spawn([process.execPath, entry], { stdout: "pipe", stderr: "inherit" });
    const measured = JSON.parse(await new Response(child.stdout).text()) as Measured;
    expect(await child.exited).toBe(0);
    expect(measured.reloads).toBe(300);
    expect(measured.outputs).toBe(350);
    expect(measured.heapBytesPerReload).toBeLessThan(MAX_BYTES_PER_RELOAD);
  });

  test("tears down the one before, once, and goes on when that throws or never ends", async () => {
    await using under = await RuntimeUnderTest.create();
    const torn: string[] = [];
    const slot = globalThis as { tickwireTestTorn?: (what: string) => void };
    slot.tickwireTestTorn = (what) => torn.push(what);
    await under.load(tearing("one", 'throw new Error("no");'));
    await under.load(tearing("two", "return new Promise(() => {});"));
    await under.load(tearing("three", ""));
    expect(torn).toEqual(["one", "two"]);
    const { reply } = await under.run([message("a", "x")]);
    expect(reply.notes?.faults.map(({ fault }) => fault.message)).toEqual([
      "no",
      "teardown took longer than 200 ms",
    ]);
    await under.runtime.unload();
    await under.runtime.unload();
    delete slot.tickwireTestTorn;
    expect(torn).toEqual(["one", "two", "three"]);
  });

  test("answers calls in the order they came, also around a load", async () => {
    await using under = await RuntimeUnderTest.create();
    await under.load(saying("one"));
    const first = under.run([message("a", "")]);
    const load = under.load(saying("two"));
    const second = load.then(() => under.run([message("a", "")]));
    expect((await first).outcomes[0]?.output?.text()).toBe("one");
    expect((await second).outcomes[0]?.output?.text()).toBe("two");
  });

  test("runs one batch after the other, however they come", async () => {
    await using under = await RuntimeUnderTest.create();
    await under.load(
      transformModule(
        `async: true, async process(batch) {
          active++;
          for (const m of batch) { await new Promise(setImmediate); m.replace(m.text() + active); }
          active--;
        }`,
        "let active = 0;",
      ),
    );
    const runs = ["a", "b", "c"].map((text) => under.run([message("x", text), message("x", text)]));
    const texts = (await Promise.all(runs)).map(({ outcomes }) =>
      outcomes.map((outcome) => outcome.output?.text()),
    );
    expect(texts).toEqual([
      ["a1", "a1"],
      ["b1", "b1"],
      ["c1", "c1"],
    ]);
  });

  test("a call without a pipeline is refused", async () => {
    await using under = await RuntimeUnderTest.create();
    for (const call of [under.run([message("a", "")]), under.takeLanes()]) {
      expect(String(await rejection(call))).toContain("no pipeline is loaded");
    }
  });
});
