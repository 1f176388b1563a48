import { expect, test } from "bun:test";

import { fromBroker, fromCode, TickwireError } from "../../client/errors.ts";
import { RetryPolicy } from "../../client/retry-policy.ts";
import { Code } from "../../protocol/codes.ts";
import { ManualClock } from "../support/manual-clock.ts";

const LOST = fromCode(1006, "");

test("a transport fault is retried with back-off", () => {
  const policy = new RetryPolicy(new ManualClock(), () => 0.5);
  expect([LOST, LOST, LOST].map((error) => policy.delayMs(error, false))).toEqual([500, 500, 1000]);
});

test("codes from 4000 to 4099 end it, whether known or not", () => {
  const policy = new RetryPolicy(new ManualClock(), () => 0.5);
  expect(policy.delayMs(fromCode(Code.forbidden.code, ""), true)).toBeNull();
  expect(policy.delayMs(fromCode(4099, ""), true)).toBeNull();
});

test("what the broker asks to wait comes on top of the jitter", () => {
  const policy = new RetryPolicy(new ManualClock(), () => 0.5);
  const { code, name } = Code.tooManyRequests;
  const error = fromBroker({ code, name, message: "", retryAfterMs: 3000 });
  expect(policy.delayMs(error, false)).toBe(3500);
});

test("a broker cannot send a client away for more than ten minutes", () => {
  const policy = new RetryPolicy(new ManualClock(), () => 1);
  const { code, name } = Code.overloaded;
  const error = fromBroker({ code, name, message: "", retryAfterMs: Number.MAX_SAFE_INTEGER });
  expect(policy.delayMs(error, false)).toBe(601_000);
  expect(policy.drain(Number.MAX_SAFE_INTEGER)).toBe(600_000);
});

test("a refused token is renewed at once, then with back-off, three times in all", () => {
  const policy = new RetryPolicy(new ManualClock(), () => 1);
  const refused = fromCode(Code.unauthorized.code, "");
  const delays = Array.from({ length: 4 }, () => policy.delayMs(refused, true));
  expect(delays).toEqual([0, 1000, 1000, null]);
});

test("a stable connection forgives refusals and back-off", () => {
  const policy = new RetryPolicy(new ManualClock(), () => 1);
  const refused = fromCode(Code.tokenExpired.code, "");
  for (let i = 0; i < 3; i++) policy.delayMs(refused, true);
  policy.stable();
  expect(policy.delayMs(refused, true)).toBe(0);
  expect(policy.attempt).toBe(0);
});

test("a token that cannot be renewed ends it, also when it has only expired", () => {
  const policy = new RetryPolicy(new ManualClock(), () => 1);
  expect(policy.delayMs(fromCode(Code.tokenExpired.code, ""), false)).toBeNull();
});

test("after a drain push the next attempt is at the moment chosen in its window", () => {
  const clock = new ManualClock();
  const policy = new RetryPolicy(clock, () => 0.5);
  expect(policy.drain(8000)).toBe(4000);
  clock.advance(1000);
  expect(policy.delayMs(fromCode(Code.drain.code, ""), false)).toBe(3000);
  expect(policy.attempt).toBe(0);
});

test("a drain counts for one end only", () => {
  const policy = new RetryPolicy(new ManualClock(), () => 0.5);
  policy.drain(8000);
  policy.delayMs(LOST, false);
  expect(policy.delayMs(LOST, false)).toBe(500);
});

test("an error of this side that is no use to repeat ends it", () => {
  const policy = new RetryPolicy(new ManualClock(), () => 1);
  expect(policy.delayMs(new TickwireError("bad_argument", "no such URL"), true)).toBeNull();
});
