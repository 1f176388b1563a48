import { expect, test } from "bun:test";

import { overBudget, Tally } from "../../../workers/host/trial.ts";

const budget = { minMessages: 200, maxFaultPercent: 1, maxSlowdown: 5, maxDifferentPercent: 1 };

/** In batches of 40 messages; the first may have another time than the rest. */
function tally(messages: number, failed: number, runMs: number, firstMs = 0): Tally {
  const one = new Tally();
  const batches = messages / 40;
  for (let i = 0; i < batches; i++) {
    one.add(40, failed / batches, i === 0 && firstMs > 0 ? firstMs : runMs / batches);
  }
  return one;
}

test("a version that works is not slow beside one that failed for everything", () => {
  expect(overBudget(tally(400, 0, 400), tally(400, 400, 0.4), budget)).toBeNull();
});

test("what failed quickly in the version before does not make its messages look quick", () => {
  // 10 of 1000 took 10 ms each; the others failed before they did anything.
  expect(overBudget(tally(400, 0, 4000), tally(1000, 990, 100), budget)).toBeNull();
});

test("a version is slow beside one whose messages took a fifth of its time", () => {
  expect(overBudget(tally(400, 0, 401 * 5), tally(400, 0, 400), budget)).toMatch(/a message takes/);
  expect(overBudget(tally(400, 0, 400 * 5), tally(400, 0, 400), budget)).toBeNull();
});

test("a cold start does not make a version slow, however much of the mean it is", () => {
  expect(overBudget(tally(200, 0, 20, 2000), tally(400, 0, 40), budget)).toBeNull();
});

test("one moment in which everything was slow does not either, wherever it comes", () => {
  const candidate = tally(400, 0, 40);
  candidate.add(40, 0, 4000);
  expect(overBudget(candidate, tally(400, 0, 40), budget)).toBeNull();
});

test("a version that becomes slow is found out", () => {
  const candidate = tally(400, 0, 40);
  for (let i = 0; i < 5; i++) candidate.add(40, 0, 40);
  expect(overBudget(candidate, tally(400, 0, 40), budget)).toMatch(/a message takes 1.000 ms/);
});
