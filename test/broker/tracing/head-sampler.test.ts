import { describe, expect, test } from "bun:test";

import { HeadSampler, unsampled } from "../../../broker/tracing/head-sampler.ts";
import { announceSeed, Random } from "../../support/random.ts";

const random = new Random(announceSeed("head-sampler"));

/** Which of so many publications are chosen, counted as ingest does. */
function chosen(sampler: HeadSampler, publications: number): number[] {
  const places: number[] = [];
  for (let place = 0; place < publications; place++) {
    if (--sampler.left !== 0) continue;
    places.push(place);
    sampler.next();
  }
  return places;
}

describe("head sampling", () => {
  test.each([1, 0.5, 0.3, 0.1, 0.01, 0.001])("of %d chooses exactly that share", (rate) => {
    const publications = 100_000;
    const places = chosen(
      new HeadSampler(rate, () => random.uint32() / 0x1_0000_0000),
      publications,
    );
    expect(places.length).toBeGreaterThanOrEqual(Math.floor(publications * rate) - 1);
    expect(places.length).toBeLessThanOrEqual(Math.ceil(publications * rate) + 1);
    expect(new Set(places).size).toBe(places.length);
  });

  test("of 1 chooses every publication", () => {
    expect(chosen(new HeadSampler(1, () => random.uint32() / 0x1_0000_0000), 10)).toHaveLength(10);
  });

  test("chooses no place more than another", () => {
    const byPlace = [0, 0, 0, 0];
    for (const place of chosen(
      new HeadSampler(0.25, () => random.uint32() / 0x1_0000_0000),
      40_000,
    )) {
      byPlace[place % 4] = (byPlace[place % 4] ?? 0) + 1;
    }
    for (const count of byPlace) expect(count / 2500).toBeWithin(0.85, 1.15);
  });

  test("of 0 chooses none, and neither does a namespace without sampling", () => {
    expect(chosen(new HeadSampler(0), 10_000)).toEqual([]);
    for (let i = 0; i < 10_000; i++) expect(--unsampled.left).not.toBe(0);
  });

  test.each([1, 0.3, 0.01])("of %d, with room for a few, skips periods and counts them", (rate) => {
    const sampler = new HeadSampler(rate, () => random.uint32() / 0x1_0000_0000);
    const publications = 100_000;
    let traced = 0;
    let skipped = 0;
    for (let place = 0; place < publications; place++) {
      if (--sampler.left !== 0) continue;
      traced++;
      skipped += sampler.next();
      if (traced > 10) sampler.thin();
    }
    expect(traced).toBeLessThan(10 + Math.log2(publications * rate) + 2);
    // Those behind the last one chosen are not counted yet: up to about as many as before it.
    expect(traced + skipped).toBeWithin(publications * rate * 0.3, publications * rate + 2);
  });

  test("of 0.01 goes on within two periods once there is room again, however many were skipped", () => {
    const sampler = new HeadSampler(0.01, () => random.uint32() / 0x1_0000_0000);
    for (let place = 0; place < 10_000_000; place++) {
      if (--sampler.left !== 0) continue;
      sampler.next();
      sampler.thin();
    }
    expect(sampler.left).toBeGreaterThan(200);
    sampler.relax();
    expect(sampler.left).toBeWithin(1, 201);
    const places = chosen(sampler, 100_000);
    expect(places.length).toBeWithin(995, 1002);
    expect(sampler.next()).toBe(0);
  });
});
