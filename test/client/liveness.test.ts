import { expect, test } from "bun:test";

import { Liveness } from "../../client/liveness.ts";
import { ManualClock } from "../support/manual-clock.ts";

const INTERVAL_MS = 25_000;

function setUp(intervalMs = INTERVAL_MS): {
  clock: ManualClock;
  liveness: Liveness;
  log: string[];
} {
  const clock = new ManualClock();
  const log: string[] = [];
  const liveness = new Liveness({
    clock,
    intervalMs,
    sendPing: () => {
      log.push("ping");
      liveness.sent();
    },
    onDead: () => log.push("dead"),
  });
  return { clock, liveness, log };
}

test("a quiet client pings at the interval, again and again while pongs come", () => {
  const { clock, liveness, log } = setUp();
  clock.advance(INTERVAL_MS - 1);
  expect(log).toEqual([]);
  for (let i = 1; i <= 3; i++) {
    clock.advance(1);
    expect(log).toEqual(Array.from({ length: i }, () => "ping"));
    liveness.received();
    clock.advance(INTERVAL_MS - 1);
  }
});

test("without an answer for ten seconds the connection is dead", () => {
  const { clock, log } = setUp();
  clock.advance(INTERVAL_MS + 9999);
  expect(log).toEqual(["ping"]);
  clock.advance(1);
  expect(log).toEqual(["ping", "dead"]);
  expect(clock.dueInMs).toEqual([]);
});

test("anything received counts as an answer", () => {
  const { clock, liveness, log } = setUp();
  clock.advance(INTERVAL_MS + 9000);
  liveness.received();
  clock.advance(5000);
  expect(log).toEqual(["ping"]);
});

test("what is sent and received makes pings needless", () => {
  const { clock, liveness, log } = setUp();
  for (let i = 0; i < 10; i++) {
    clock.advance(INTERVAL_MS - 1000);
    liveness.sent();
    liveness.received();
  }
  expect(log).toEqual([]);
});

test("a client that only sends finds out as well", () => {
  const { clock, liveness, log } = setUp();
  for (let i = 0; i < 35; i++) {
    liveness.sent();
    clock.advance(1000);
  }
  expect(log).toEqual(["ping", "dead"]);
});

test("a client that only receives still pings, since the broker wants to hear from it", () => {
  const { clock, liveness, log } = setUp();
  for (let i = 0; i < 60; i++) {
    clock.advance(1000);
    liveness.received();
  }
  expect(log).toEqual(["ping", "ping"]);
});

test("after a sleep it asks before it gives up", () => {
  const clock = new ManualClock();
  const log: string[] = [];
  // A machine that slept: hours have passed when the timer runs, and its callback is the first to know.
  let hours = 0;
  const sleepy = {
    nowMs: () => clock.nowMs() + hours,
    wallMs: () => clock.wallMs(),
    after: (delayMs: number, callback: () => void) => clock.after(delayMs, callback),
  };
  const liveness = new Liveness({
    clock: sleepy,
    intervalMs: INTERVAL_MS,
    sendPing: () => log.push("ping"),
    onDead: () => log.push("dead"),
  });
  hours = 5 * 3_600_000;
  clock.advance(INTERVAL_MS);
  expect(log).toEqual(["ping"]);
  liveness.received();
  clock.advance(9000);
  expect(log).toEqual(["ping"]);
});

test("an interval of nothing does not make a storm", () => {
  const { clock, liveness, log } = setUp(0);
  for (let i = 0; i < 10; i++) {
    clock.advance(500);
    liveness.received();
  }
  expect(log.length).toBeLessThanOrEqual(5);
});

test("once stopped it does nothing", () => {
  const { clock, liveness, log } = setUp();
  liveness.stop();
  clock.advance(10 * INTERVAL_MS);
  expect(log).toEqual([]);
});
