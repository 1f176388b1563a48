import { expect, test } from "bun:test";

import { TokenSource } from "../../client/token.ts";
import { refusal } from "../support/client-events.ts";
import { ManualClock } from "../support/manual-clock.ts";

function counting(clock = new ManualClock()): { tokens: TokenSource; clock: ManualClock } {
  let count = 0;
  return { tokens: new TokenSource(() => `token ${++count}`, clock), clock };
}

test("a given token is used as it is and cannot be renewed", async () => {
  const tokens = new TokenSource("fixed", new ManualClock());
  expect(await tokens.get()).toBe("fixed");
  expect(tokens.isRenewable).toBe(false);
  tokens.forget();
  expect(await tokens.get()).toBe("fixed");
});

test("without a token there is none", async () => {
  expect(await new TokenSource(undefined, new ManualClock()).get()).toBeNull();
});

test("a token is used again until it is about to expire", async () => {
  const { tokens, clock } = counting();
  expect(await tokens.get()).toBe("token 1");
  tokens.accepted(60_000);
  clock.advance(54_000);
  expect(await tokens.get()).toBe("token 1");
  clock.advance(1000);
  expect(await tokens.get()).toBe("token 2");
  // Not yet presented to a broker, it is not asked for again.
  expect(await tokens.get()).toBe("token 2");
});

test("a token without an end is used until it is refused", async () => {
  const { tokens, clock } = counting();
  await tokens.get();
  tokens.accepted(0);
  clock.advance(1e12);
  expect(await tokens.get()).toBe("token 1");
  tokens.forget();
  expect(await tokens.get()).toBe("token 2");
});

test("a function that fails is a coded error that can be retried", async () => {
  const cause = new Error("no network");
  const tokens = new TokenSource(() => Promise.reject(cause), new ManualClock());
  const error = await refusal(tokens.get());
  expect(error).toMatchObject({ code: "token_failed", retry: "backoff" });
  expect(error.cause).toBe(cause);
});
