import { describe, expect, test } from "bun:test";

import {
  channelNameKind,
  isChannelName,
  isChannelPattern,
  patternCovers,
  patternMatches,
  patternsMeet,
} from "../../protocol/channel-name.ts";
import { arbitraryName, arbitraryPattern } from "../support/arbitrary.ts";
import { plainMatches } from "../support/pattern-regexp.ts";
import { announceSeed, Random } from "../support/random.ts";
import { loadVectors } from "../support/vector-files.ts";

const { channelNames, patterns } = await loadVectors();
const seed = announceSeed("channel-name");

describe("kinds", () => {
  const labelled = channelNames.map((vector) => ({
    label: JSON.stringify(vector.value),
    ...vector,
  }));

  test.each(labelled)("$label is: $kind", ({ value, kind }) => {
    expect(channelNameKind(value)).toBe(kind);
    expect(isChannelName(value)).toBe(kind === "name");
    expect(isChannelPattern(value)).toBe(kind !== "invalid");
  });

  test("of all single characters, exactly the documented ones are names", () => {
    const names: string[] = [];
    for (let unit = 0; unit <= 0xffff; unit++) {
      const char = String.fromCharCode(unit);
      if (isChannelName(char)) names.push(char);
    }
    expect(names.join("")).toBe(
      "-/0123456789:@ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz",
    );
  });

  test("a character that is not allowed spoils a name wherever it stands", () => {
    for (const char of ["$", " ", "é", "\n", "\u0000", "%", "\\", "😀"]) {
      for (const value of [char, `${char}ab`, `a${char}b`, `ab${char}`, `a.b${char}`]) {
        expect([value, channelNameKind(value)]).toEqual([value, "invalid"]);
      }
    }
  });

  test("random names and patterns are what they were made as", () => {
    const random = new Random(seed);
    for (let i = 0; i < 2000; i++) {
      const name = arbitraryName(random);
      expect([name, channelNameKind(name)]).toEqual([name, "name"]);
      const pattern = arbitraryPattern(random);
      expect([pattern, isChannelPattern(pattern)]).toEqual([pattern, true]);
      expect(channelNameKind(pattern) === "pattern").toBe(/[*>]/.test(pattern));
    }
  });
});

/** All sequences of 1 to `length` of the given segments, joined. */
function sequences(segments: readonly string[], length: number): string[] {
  let layer: string[] = [...segments];
  const all = [...layer];
  for (let i = 1; i < length; i++) {
    layer = layer.flatMap((start) => segments.map((segment) => `${start}.${segment}`));
    all.push(...layer);
  }
  return all;
}

const smallPatterns = sequences(["a", "b", "*"], 3).flatMap((start) => [start, `${start}.>`]);
smallPatterns.push(">");
/** Up to two segments longer than any pattern, and with a segment "c" that no pattern names. */
const smallNames = sequences(["a", "b", "c"], 5);

describe("matching", () => {
  test.each(patterns.matches)("$pattern on $name: $matches", ({ pattern, name, matches }) => {
    expect(patternMatches(pattern, name)).toBe(matches);
    expect(plainMatches(pattern, name)).toBe(matches);
  });

  test("agrees with regular expressions on every small pattern and name", () => {
    for (const pattern of smallPatterns) {
      const differing = smallNames.filter(
        (name) => patternMatches(pattern, name) !== plainMatches(pattern, name),
      );
      expect([pattern, differing]).toEqual([pattern, []]);
    }
  });

  test("agrees with regular expressions on random patterns and names", () => {
    const random = new Random(seed);
    let matching = 0;
    for (let i = 0; i < 5000; i++) {
      const pattern = arbitraryPattern(random);
      // Half of the names come from the pattern, so that many match.
      const name = random.chance(0.5)
        ? arbitraryName(random)
        : pattern.replaceAll("*", () => random.pick(["a", "bb"])).replace(">", "c.d");
      const expected = plainMatches(pattern, name);
      if (expected) matching++;
      expect([pattern, name, patternMatches(pattern, name)]).toEqual([pattern, name, expected]);
    }
    expect(matching).toBeGreaterThan(1000);
  });
});

describe("covering", () => {
  test.each(patterns.covers)(
    "$granted over $requested: $covers",
    ({ granted, requested, covers }) => {
      expect(patternCovers(granted, requested)).toBe(covers);
    },
  );

  test("means: every name the requested pattern matches, the granted one matches too", () => {
    const matched = new Map(
      smallPatterns.map((pattern) => [
        pattern,
        new Set(smallNames.filter((name) => plainMatches(pattern, name))),
      ]),
    );
    for (const [granted, allowed] of matched) {
      for (const [requested, wanted] of matched) {
        const isSubset = wanted.isSubsetOf(allowed);
        expect([granted, requested, patternCovers(granted, requested)]).toEqual([
          granted,
          requested,
          isSubset,
        ]);
      }
    }
  });

  test("of a name is the same as matching it", () => {
    const random = new Random(seed);
    for (let i = 0; i < 2000; i++) {
      const granted = arbitraryPattern(random);
      const name = random.chance(0.5) ? arbitraryName(random) : granted.replaceAll(/[*>]/g, "x");
      expect(patternCovers(granted, name)).toBe(patternMatches(granted, name));
    }
  });
});

describe("meeting", () => {
  test("means that there is a name which both patterns match", () => {
    const matched = smallPatterns.map(
      (pattern) =>
        [pattern, new Set(smallNames.filter((name) => plainMatches(pattern, name)))] as const,
    );
    for (const [one, ofOne] of matched) {
      for (const [other, ofOther] of matched) {
        const meets = !ofOne.isDisjointFrom(ofOther);
        expect([one, other, patternsMeet(one, other)]).toEqual([one, other, meets]);
      }
    }
  });
});
