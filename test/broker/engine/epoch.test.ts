import { expect, test } from "bun:test";

import { randomEpoch, randomId } from "../../../broker/engine/epoch.ts";

test("ids have the length asked for and only characters that are safe everywhere", () => {
  for (const length of [0, 1, 10, 64]) expect(randomId(length)).toMatch(/^[A-Za-z0-9_-]*$/);
  expect(randomId(64)).toHaveLength(64);
});

test("epochs fit the wire's bound, and of many no two are the same", () => {
  const epochs = new Set(Array.from({ length: 10_000 }, randomEpoch));
  expect(epochs.size).toBe(10_000);
  for (const epoch of epochs) expect(epoch).toMatch(/^[\x21-\x7e]{10,32}$/);
});

test("every character is used", () => {
  const used = new Set(randomId(10_000));
  expect(used.size).toBe(64);
});
