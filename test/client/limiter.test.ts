import { expect, test } from "bun:test";

import { Limiter } from "../../client/limiter.ts";

function setUp(limit: number): { limiter: Limiter; started: number[]; done: (() => void)[] } {
  const limiter = new Limiter(limit);
  const started: number[] = [];
  const done: (() => void)[] = [];
  for (let i = 0; i < 5; i++) {
    limiter.run((finish) => {
      started.push(i);
      done.push(finish);
    });
  }
  return { limiter, started, done };
}

test("no more run than may, and the others follow in order", () => {
  const { started, done } = setUp(2);
  expect(started).toEqual([0, 1]);
  done[1]?.();
  expect(started).toEqual([0, 1, 2]);
  done[0]?.();
  done[2]?.();
  expect(started).toEqual([0, 1, 2, 3, 4]);
});

test("after a reset nothing of before counts", () => {
  const { limiter, started, done } = setUp(2);
  limiter.reset();
  limiter.run(() => started.push(100));
  limiter.run(() => started.push(101));
  limiter.run(() => started.push(102));
  expect(started).toEqual([0, 1, 100, 101]);
  done[0]?.();
  expect(started).toEqual([0, 1, 100, 101]);
});
