import { describe, expect, test } from "bun:test";

import { PatternIndex } from "../../../broker/channels/pattern-index.ts";
import { PlainPatterns } from "../../support/plain-patterns.ts";
import { announceSeed, Random } from "../../support/random.ts";

function matches(index: PatternIndex<number>, name: string): number[] {
  const found: number[] = [];
  index.match(name, (value) => found.push(value));
  return found.toSorted((a, b) => a - b);
}

function randomName(random: Random, segments: readonly string[]): string {
  return Array.from({ length: random.between(1, 4) }, () => random.pick(segments)).join(".");
}

function randomPattern(random: Random): string {
  const name = randomName(random, ["a", "b", "aa", "*"]);
  if (random.chance(0.3)) return `${name}.>`;
  return random.chance(0.05) ? ">" : name;
}

describe("pattern index", () => {
  test("finds what a search through all patterns finds", () => {
    const random = new Random(announceSeed("pattern-index"));
    const index = new PatternIndex<number>();
    const plain = new PlainPatterns<number>();
    for (let step = 0; step < 4000; step++) {
      const pattern = randomPattern(random);
      const value = random.below(6);
      if (random.chance(0.5)) {
        index.add(pattern, value);
        plain.add(pattern, value);
      } else {
        index.remove(pattern, value);
        plain.remove(pattern, value);
      }
      const name = randomName(random, ["a", "b", "aa", "c"]);
      expect(matches(index, name)).toEqual(plain.match(name).toSorted((a, b) => a - b));
    }
  });

  test("visits a value once for each of its patterns", () => {
    const index = new PatternIndex<number>();
    for (const pattern of ["a.b", "a.*", "a.>", ">", "*.b"]) index.add(pattern, 1);
    expect(matches(index, "a.b")).toEqual([1, 1, 1, 1, 1]);
  });

  test("does not take '>' for nothing", () => {
    const index = new PatternIndex<number>();
    index.add("a.>", 1);
    expect(matches(index, "a")).toEqual([]);
    expect(matches(index, "a.b.c")).toEqual([1]);
  });

  test("finds nothing once everything is removed, in whatever order", () => {
    const index = new PatternIndex<number>();
    const patterns = Array.from({ length: 1000 }, (_, i) => `a.${i}.*.>`);
    for (const pattern of patterns) index.add(pattern, 1);
    for (const pattern of patterns.toReversed()) index.remove(pattern, 1);
    index.remove("never.added", 1);
    expect(matches(index, "a.5.x.y")).toEqual([]);
  });
});
