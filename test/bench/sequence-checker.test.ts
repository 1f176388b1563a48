import { expect, test } from "bun:test";

import { hasFaults, SequenceChecker } from "../../bench/load/sequence-checker.ts";
import type { Faults } from "../../bench/load/sequence-checker.ts";
import { announceSeed, Random } from "../support/random.ts";

const random = new Random(announceSeed("sequence checker"));

function check(values: readonly number[], last: number, first = 1): Faults {
  const checker = new SequenceChecker("a stream", first);
  for (const value of values) checker.accept(value);
  return checker.finish(last);
}

function upTo(last: number): number[] {
  return Array.from({ length: last }, (_, i) => i + 1);
}

test("finds nothing in a complete, ordered stream", () => {
  for (const last of [0, 1, 2, 1000]) expect(hasFaults(check(upTo(last), last))).toBe(false);
  expect(hasFaults(check([41, 42, 43], 43, 41))).toBe(false);
});

test("finds a loss at the start, in the middle and at the end", () => {
  expect(check([2, 3], 3)).toMatchObject({ lost: 1, duplicated: 0, inverted: 0 });
  expect(check([1, 4, 5], 5)).toMatchObject({ lost: 2, duplicated: 0, inverted: 0 });
  expect(check([1, 2], 5)).toMatchObject({ lost: 3, duplicated: 0, inverted: 0 });
  expect(check([], 3)).toMatchObject({ lost: 3 });
});

test("finds a duplicate of the newest and of an old one", () => {
  expect(check([1, 1, 2], 2)).toMatchObject({ lost: 0, duplicated: 1, inverted: 0 });
  expect(check([1, 2, 3, 1, 3], 3)).toMatchObject({ lost: 0, duplicated: 2, inverted: 0 });
});

test("finds an inversion and does not call it a loss", () => {
  expect(check([2, 1, 3], 3)).toMatchObject({ lost: 0, duplicated: 0, inverted: 1 });
  expect(check([1, 4, 3, 2, 5], 5)).toMatchObject({ lost: 0, duplicated: 0, inverted: 2 });
});

test("calls a late arrival that comes twice an inversion and a duplicate", () => {
  expect(check([2, 1, 1, 3], 3)).toMatchObject({ lost: 0, duplicated: 1, inverted: 1 });
});

test("names the first fault", () => {
  expect(check([1, 3, 2, 2], 9).first).toBe("a stream: 3 came where 2 was due");
  expect(check([1, 2], 4).first).toBe("a stream: ends at 2, 4 were sent");
});

test("counts every kind of damage done to a random stream", () => {
  for (let round = 0; round < 300; round++) {
    const last = 20 + random.below(200);
    const arrived: number[] = [];
    let lost = 0;
    let duplicated = 0;
    let inverted = 0;
    for (let value = 1; value <= last; value++) {
      const dice = random.below(20);
      if (dice === 0) lost++;
      else if (dice === 1) {
        arrived.push(value, value);
        duplicated++;
      } else if (dice === 2 && value < last) {
        arrived.push(value + 1, value);
        value++;
        inverted++;
      } else arrived.push(value);
    }
    expect(check(arrived, last)).toMatchObject({ lost, duplicated, inverted, corrupt: 0 });
  }
});

test("stays bounded when a number is far ahead", () => {
  const faults = check([1, 4_000_000_000], 4_000_000_000);
  expect(faults.lost).toBe(3_999_999_998);
});
