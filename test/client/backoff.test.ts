import { expect, test } from "bun:test";

import { Backoff } from "../../client/backoff.ts";

test("bounds double from one second to fifteen and stay there", () => {
  const backoff = new Backoff(() => 1);
  const delays = Array.from({ length: 8 }, () => backoff.nextMs());
  expect(delays).toEqual([1000, 1000, 2000, 4000, 8000, 15_000, 15_000, 15_000]);
});

test("the delay is anything from nothing to the bound", () => {
  const randoms = [0, 0.25, 0.999];
  const backoff = new Backoff(() => randoms.shift() ?? 0);
  expect([backoff.nextMs(), backoff.nextMs(), backoff.nextMs()]).toEqual([0, 250, 1998]);
});

test("a reset begins anew", () => {
  const backoff = new Backoff(() => 1);
  for (let i = 0; i < 5; i++) backoff.nextMs();
  expect(backoff.attempt).toBe(5);
  backoff.reset();
  expect(backoff.attempt).toBe(0);
  expect(backoff.nextMs()).toBe(1000);
});
