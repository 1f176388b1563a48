import { expect, test } from "bun:test";

import { SlowList } from "../../../broker/tracing/slow-list.ts";
import type { SlowDelivery } from "../../../broker/tracing/slow-list.ts";

function late(connection: string, worstMs: number, more: Partial<SlowDelivery> = {}): SlowDelivery {
  const who = { connection, user: null, channel: "a" };
  return { ...who, worstMs, count: 1, seenBy: "queue", lastAtMs: 1000, traceId: null, ...more };
}

test("keeps of each connection and channel the worst and the number", () => {
  const list = new SlowList();
  list.add(late("c1", 300, { traceId: "t1" }));
  list.add(late("c1", 200, { count: 4 }));
  list.add(late("c1", 900, { channel: "b" }));
  list.add(late("c2", 500));
  expect(list.top(10, 1000)).toMatchObject([
    { connection: "c1", channel: "b", worstMs: 900 },
    { connection: "c2", worstMs: 500 },
    { connection: "c1", channel: "a", worstMs: 300, count: 5, traceId: "t1" },
  ]);
  expect(list.top(1, 1000)).toHaveLength(1);
});

test("forgets who has been quick for five minutes", () => {
  const list = new SlowList();
  list.add(late("c1", 300));
  list.add(late("c2", 300, { lastAtMs: 200_000 }));
  expect(list.top(10, 301_001)).toMatchObject([{ connection: "c2" }]);
});

test("keeps the slowest thousand, whoever comes first", () => {
  const list = new SlowList();
  for (let i = 0; i < 1000; i++) list.add(late(`c${i}`, 100 + i));
  list.add(late("slower", 5000));
  list.add(late("quicker", 50));
  const all = list.top(2000, 1000);
  expect(all).toHaveLength(1000);
  expect(all[0]?.connection).toBe("slower");
  expect(all.some(({ connection }) => connection === "quicker" || connection === "c0")).toBeFalse();
});
