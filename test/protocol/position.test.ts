import { expect, test } from "bun:test";

import { comparePositions } from "../../protocol/position.ts";
import type { StreamPosition } from "../../protocol/position.ts";

function at(offset: number): StreamPosition {
  return { epoch: "e", offset };
}

test("positions of one epoch compare by offset", () => {
  expect(comparePositions(at(1), at(1))).toBe("same");
  expect(comparePositions(at(1), at(2))).toBe("before");
  expect(comparePositions(at(2), at(1))).toBe("after");
});

test("positions of different epochs are unrelated, even at the same offset", () => {
  for (const offset of [0, 1, 9]) {
    expect(comparePositions({ epoch: "e", offset: 1 }, { epoch: "f", offset })).toBe("unrelated");
  }
});
