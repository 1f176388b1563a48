import { expect, test } from "bun:test";

import { closedError, TickwireError } from "../../client/errors.ts";
import { Requests } from "../../client/requests.ts";
import type { RequestHandler } from "../../client/requests.ts";
import { ManualClock } from "../support/manual-clock.ts";

const TIMEOUT_MS = 10_000;
const LOST = new TickwireError("connection_lost", "lost");

function setUp(): {
  clock: ManualClock;
  requests: Requests;
  log: string[];
  handler: (name: string, survives?: boolean) => RequestHandler;
} {
  const clock = new ManualClock();
  const log: string[] = [];
  return {
    clock,
    requests: new Requests(clock, TIMEOUT_MS),
    log,
    handler: (name, survives = false) => ({
      onReply: (reply) => log.push(`${name} ${String(reply)}`),
      onError: (error) => log.push(`${name} ${error.code}`),
      survives: () => survives,
    }),
  };
}

test("a reply reaches its request, once", () => {
  const { requests, log, handler } = setUp();
  const a = requests.open(handler("a"));
  const b = requests.open(handler("b"));
  requests.reply(b, 2);
  requests.reply(a, 1);
  requests.reply(a, 1);
  requests.fail(b, LOST);
  expect(log).toEqual(["b 2", "a 1"]);
  expect(requests.size).toBe(0);
});

test("ids begin at 1 and are all different", () => {
  const { requests, handler } = setUp();
  const ids = Array.from({ length: 5 }, () => requests.open(handler("x")));
  expect(ids).toEqual([1, 2, 3, 4, 5]);
});

test("a request fails when its time is over, and not before", () => {
  const { clock, requests, log, handler } = setUp();
  requests.open(handler("a"));
  clock.advance(4000);
  requests.open(handler("b"));
  clock.advance(5999);
  expect(log).toEqual([]);
  clock.advance(1);
  expect(log).toEqual(["a request_timeout"]);
  clock.advance(4000);
  expect(log).toEqual(["a request_timeout", "b request_timeout"]);
});

test("many requests need one timer, and none is left when all are answered", () => {
  const { clock, requests, handler } = setUp();
  const ids = Array.from({ length: 100 }, () => requests.open(handler("x")));
  expect(clock.dueInMs).toEqual([TIMEOUT_MS]);
  for (const id of ids) requests.reply(id, null);
  clock.advance(TIMEOUT_MS);
  expect(clock.dueInMs).toEqual([]);
});

test("a timeout may have happened", () => {
  const { clock, requests } = setUp();
  let failure: TickwireError | null = null;
  requests.open({ onReply: () => {}, onError: (error) => (failure = error) });
  clock.advance(TIMEOUT_MS);
  expect(failure).toMatchObject({ mayHaveHappened: true, retry: "backoff" });
});

test("a lost connection fails those that do not survive it", () => {
  const { requests, log, handler } = setUp();
  requests.open(handler("a"));
  const b = requests.open(handler("b", true));
  requests.failConnection(LOST);
  expect(log).toEqual(["a connection_lost"]);
  requests.reply(b, "later");
  expect(log).toEqual(["a connection_lost", "b later"]);
});

test("requests made while others fail are left alone", () => {
  const { requests, log, handler } = setUp();
  requests.open({ onReply: () => {}, onError: () => void requests.open(handler("new")) });
  requests.failConnection(LOST);
  expect(requests.size).toBe(1);
  expect(log).toEqual([]);
});

test("the end fails everything and leaves no timer", () => {
  const { clock, requests, log, handler } = setUp();
  requests.open(handler("a"));
  requests.open(handler("b", true));
  requests.failAll(closedError());
  expect(log).toEqual(["a closed", "b closed"]);
  expect(clock.dueInMs).toEqual([]);
});

test("whoever waits for quiet is told when the last answer has come", () => {
  const { requests, log, handler } = setUp();
  requests.whenIdle(() => log.push("at once"));
  const a = requests.open(handler("a"));
  requests.whenIdle(() => log.push("idle"));
  requests.reply(a, 1);
  expect(log).toEqual(["at once", "idle", "a 1"]);
});
