import { expect, test } from "bun:test";

import { plugin, RunnerHarness } from "./runner-harness.ts";

const MIB = 1024 * 1024;
/** Each reload starts a thread and ends one; `TICKWIRE_RELOADS=1000` runs the long form. */
const RELOADS = Number(process.env["TICKWIRE_RELOADS"] ?? 200);
/** Until then memory is still finding its size. */
const WARM_UP = Math.floor(RELOADS / 4);
/** Ended threads give back their memory late: what is bounded is the trend, not each step. */
const MAX_RSS_GROWTH_MIB = 64;
const MAX_HEAP_GROWTH_MIB = 8;

function source(version: number): string {
  return plugin(`m.replace("${version} " + text);`, {
    version: `1.0.${version}`,
    head: `const table = new Map(Array.from({ length: 2000 }, (_, i) => ["key" + i, { i }]));`,
  });
}

/** MiB, after a collection. */
function memory(): { readonly rss: number; readonly heap: number } {
  Bun.gc(true);
  const { rss, heapUsed } = process.memoryUsage();
  return { rss: rss / MIB, heap: heapUsed / MIB };
}

test(
  `${RELOADS} reloads under traffic lose nothing and leave no memory behind`,
  async () => {
    await using harness = await RunnerHarness.start({
      files: { "probe.ts": source(0) },
      bindings: [{ id: "probe", use: "./probe.ts", channels: ["in.>"], onError: "nack" }],
    });
    let before = memory();
    let published = 0;
    for (let i = 1; i <= RELOADS; i++) {
      await harness.folder.write("probe.ts", source(i));
      const mode = { type: "replace" } as const;
      const change = { action: "deploy", id: "probe", use: null, config: null, mode } as const;
      harness.publishAll("in.x", ["during"]);
      await harness.runner.change(change);
      harness.publishAll("in.x", ["after"]);
      published += 2;
      await harness.allSettled();
      expect(harness.settled.at(-1)?.output).toBe(`${i} after`);
      if (i === WARM_UP) before = memory();
    }
    const after = memory();
    const growth = { rss: after.rss - before.rss, heap: after.heap - before.heap };
    process.stderr.write(
      `${RELOADS} reloads: RSS ${before.rss.toFixed(0)} to ${after.rss.toFixed(0)} MiB, ` +
        `heap ${before.heap.toFixed(1)} to ${after.heap.toFixed(1)} MiB\n`,
    );
    expect(harness.faults()).toEqual([]);
    expect(harness.settled).toHaveLength(published);
    expect(growth.rss).toBeLessThan(MAX_RSS_GROWTH_MIB);
    expect(growth.heap).toBeLessThan(MAX_HEAP_GROWTH_MIB);
  },
  120_000 + RELOADS * 300,
);
