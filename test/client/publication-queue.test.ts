import { expect, test } from "bun:test";

import { PublicationQueue } from "../../client/publication-queue.ts";
import { Publication } from "../../client/publication.ts";

function item(offset: number): Publication<number> {
  const source = new Uint8Array(0);
  const delivery = { channel: "a", offset, epoch: "e", meta: null, source, start: 0, end: 0 };
  return new Publication(delivery, () => offset);
}

function setUp(maxQueued: number): { queue: PublicationQueue<number>; dropped: number[][] } {
  const dropped: number[][] = [];
  const queue = new PublicationQueue<number>(maxQueued, (items) =>
    dropped.push(items.map(({ offset }) => offset)),
  );
  return { queue, dropped };
}

async function read(queue: PublicationQueue<number>, count: number): Promise<number[]> {
  const offsets: number[] = [];
  for (let i = 0; i < count; i++) offsets.push((await queue.next()).value?.offset ?? -1);
  return offsets;
}

test("it gives what it got, in order, before and after a reader waits", async () => {
  const { queue } = setUp(10);
  queue.push(item(1));
  const reading = read(queue, 3);
  queue.push(item(2));
  queue.push(item(3));
  expect(await reading).toEqual([1, 2, 3]);
  expect(queue.size).toBe(0);
});

test("readers that wait are served in their order", async () => {
  const { queue } = setUp(10);
  const first = queue.next();
  const second = queue.next();
  queue.push(item(1));
  queue.push(item(2));
  expect((await second).value?.offset).toBe(2);
  expect((await first).value?.offset).toBe(1);
});

test("past its bound the oldest eighth goes in one piece", async () => {
  const { queue, dropped } = setUp(16);
  for (let offset = 1; offset <= 17; offset++) queue.push(item(offset));
  expect(dropped).toEqual([[1, 2]]);
  for (let offset = 18; offset <= 19; offset++) queue.push(item(offset));
  expect(dropped).toEqual([
    [1, 2],
    [3, 4],
  ]);
  expect(queue.size).toBe(15);
  expect(await read(queue, 15)).toEqual(Array.from({ length: 15 }, (_, i) => i + 5));
});

test("a bound of one keeps the newest", async () => {
  const { queue, dropped } = setUp(1);
  for (let offset = 1; offset <= 3; offset++) queue.push(item(offset));
  expect(dropped).toEqual([[1], [2]]);
  expect(await read(queue, 1)).toEqual([3]);
});

test("what was read is not dropped again", async () => {
  const { queue, dropped } = setUp(8);
  for (let offset = 1; offset <= 8; offset++) queue.push(item(offset));
  await read(queue, 4);
  for (let offset = 9; offset <= 13; offset++) queue.push(item(offset));
  expect(dropped).toEqual([[5]]);
  expect(await read(queue, 8)).toEqual([6, 7, 8, 9, 10, 11, 12, 13]);
});

test("tens of thousands pass through in order", async () => {
  const { queue, dropped } = setUp(100_000);
  const expected = Array.from({ length: 50_000 }, (_, i) => i + 1);
  for (const offset of expected) queue.push(item(offset));
  expect(await read(queue, 50_000)).toEqual(expected);
  expect(dropped).toEqual([]);
});

test("the end comes after what is queued, and again for every further reader", async () => {
  const { queue } = setUp(10);
  queue.push(item(1));
  queue.end(null);
  queue.push(item(2));
  expect(await read(queue, 1)).toEqual([1]);
  expect(await queue.next()).toEqual({ done: true, value: undefined });
  expect(await queue.next()).toEqual({ done: true, value: undefined });
});

test("an end with an error reaches those who wait and those who come later", async () => {
  const { queue } = setUp(10);
  const waiting = queue.next();
  const error = new Error("over");
  queue.end(error);
  expect(waiting).rejects.toBe(error);
  expect(queue.next()).rejects.toBe(error);
});
