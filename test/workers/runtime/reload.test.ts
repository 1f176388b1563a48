import { heapSize } from "bun:jsc";
import { describe, expect, test } from "bun:test";

import { message } from "../../../workers/testing/message.ts";
import { rejection } from "../../support/rejection.ts";
import { RuntimeUnderTest, transformModule } from "../../support/transform-runtime.ts";

const RELOADS = 300;
const WARM_UP = 50;
/**
 * What a reload may leave behind on the heap, bytes. The table of 1 MiB that each load makes would be 300 MiB if
 * loads were kept.
 */
const MAX_BYTES_PER_RELOAD = 64 * 1024;

function settledHeap(): number {
  Bun.gc(true);
  return heapSize();
}

const tearing = (name: string, after: string): string =>
  transformModule(
    `setup: () => "${name}", process() {},
    teardown(state) { globalThis.tickwireTestTorn(state); ${after} }`,
  );

const saying = (text: string): string =>
  transformModule(`process(batch) { for (const m of batch) m.replace("${text}"); }`);

describe("reloading", () => {
  test(`${RELOADS} times keeps nothing of earlier loads`, async () => {
    await using under = await RuntimeUnderTest.create();
    let before = 0;
    for (let i = 0; i < WARM_UP + RELOADS; i++) {
      if (i === WARM_UP) before = settledHeap();
      await under.load(
        transformModule(
          `lane: { create: () => ({ n: 0 }) }, setup: () => new Array(131072).fill(${i}),
          process(batch, ctx) { for (const m of batch) { ctx.lane(m).n++; m.replace("v" + ctx.state[9]); } }`,
          `const timer = setInterval(() => {}, 1000); const big = new Array(131072).fill(1.5); export { big };`,
        ),
      );
      const { outcomes } = await under.run([message("a", "x")]);
      expect(outcomes[0]?.output?.text()).toBe(`v${i}`);
    }
    expect((settledHeap() - before) / RELOADS).toBeLessThan(MAX_BYTES_PER_RELOAD);
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

  test("a call without a pipeline is refused", async () => {
    await using under = await RuntimeUnderTest.create();
    for (const call of [under.run([message("a", "")]), under.takeLanes()]) {
      expect(String(await rejection(call))).toContain("no pipeline is loaded");
    }
  });
});
