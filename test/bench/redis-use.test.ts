import { expect, test } from "bun:test";

import { parseInfo, redisCalls, redisUseBetween } from "../../bench/load/redis-use.ts";

const INFO = [
  "# CPU",
  "used_cpu_sys:1.500000",
  "used_cpu_user:2.250000",
  "used_cpu_sys_children:7.000000",
  "used_cpu_user_main_thread:9.000000",
  "",
  "# Commandstats",
  "cmdstat_evalsha:calls=10,usec=100,usec_per_call=10.00,rejected_calls=0,failed_calls=0",
  "cmdstat_publish:calls=12,usec=5,usec_per_call=0.42,rejected_calls=0,failed_calls=0",
  "cmdstat_client|setname:calls=3,usec=5,usec_per_call=1.67,rejected_calls=0,failed_calls=0",
  "cmdstat_info:calls=4,usec=5,usec_per_call=1.25,rejected_calls=0,failed_calls=0",
].join("\r\n");

const commands = { evalsha: 10, publish: 12, "client|setname": 3, info: 4 };

test("reads the CPU time of a server's own process, and how often each command ran", () => {
  expect(parseInfo(INFO)).toEqual({ cpuMs: 3750, commands });
});

test("sums up several servers", () => {
  expect(parseInfo(`${INFO}\r\n${INFO}`)).toEqual({
    cpuMs: 7500,
    commands: { evalsha: 20, publish: 24, "client|setname": 6, info: 8 },
  });
});

test("the use between two readings has only what was done meanwhile", () => {
  const from = { cpuMs: 100, commands: { evalsha: 4, hset: 3 } };
  const to = { cpuMs: 150, commands: { evalsha: 9, hset: 3, xadd: 2 } };
  expect(redisUseBetween(from, to)).toEqual({ cpuMs: 50, commands: { evalsha: 5, xadd: 2 } });
  expect(redisUseBetween(null, to)).toBeNull();
});

const calls: readonly (readonly [Record<string, number>, number])[] = [
  [{ publish: 100 }, 100],
  [{ spublish: 60, publish: 2 }, 62],
  // Each of the scripts published once itself, and two messages were sent without one.
  [{ evalsha: 99, eval: 1, publish: 102, xadd: 100 }, 102],
  [{ evalsha: 103, publish: 100, xadd: 100 }, 103],
  [{ hset: 5 }, 0],
];

test.each(calls)("counts the calls of %p", (executed, expected) => {
  expect(redisCalls({ cpuMs: 0, commands: executed })).toBe(expected);
});
