import { expect, test } from "bun:test";

import { Arena } from "../../../workers/host/arena.ts";
import { flightOf, hostFault } from "../../../workers/host/flight.ts";
import type { Flight, FlightFault } from "../../../workers/host/flight.ts";
import { isolate } from "../../../workers/host/isolate.ts";
import { EntryMode, Lane } from "../../../workers/host/lane.ts";
import type { Entry } from "../../../workers/host/lane.ts";
import { Random } from "../../support/random.ts";

const arena = new Arena();
const lane = new Lane("x", "x");

function entryOf(number: number, mode: EntryMode = EntryMode.run): Entry {
  const chunk = arena.take(new Uint8Array(1), 0, 1);
  return {
    lane,
    channel: "x",
    ticket: number,
    meta: null,
    chunk,
    start: 0,
    end: 1,
    enteredMs: 0,
    mode,
  };
}

function numbers(flight: Flight): unknown[] {
  return flight.entries.map(({ ticket }) => ticket);
}

function fault(suspect: number): FlightFault {
  const timeout = hostFault("timeout", "WorkerLost", "no progress");
  return { fault: timeout, stage: 0, suspect, workerLost: true };
}

test("a suspect is run alone, between those before and those after it", () => {
  const flight = flightOf(
    [0, 1, 2, 3].map((n) => entryOf(n)),
    1,
    null,
  );
  const parts = isolate(flight, fault(2)) ?? [];
  expect(parts.map(numbers)).toEqual([[0, 1], [2], [3]]);
  expect(parts.map(({ attempt }) => attempt)).toEqual([2, 2, 2]);
  expect(parts.map(({ isolation }) => isolation?.isLossExpected())).toEqual([false, true, false]);
});

test("messages that do not cross stay where they are among the others", () => {
  const modes = [EntryMode.skip, EntryMode.run, EntryMode.skip, EntryMode.run, EntryMode.skip];
  const flight = flightOf(
    modes.map((mode, n) => entryOf(n, mode)),
    1,
    null,
  );
  expect(flight.crossing.map(({ ticket }) => ticket)).toEqual([1, 3]);
  const parts = isolate(flight, fault(1)) ?? [];
  expect(parts.map(numbers)).toEqual([[0, 1, 2], [3], [4]]);
});

test("one message alone cannot be isolated further", () => {
  expect(isolate(flightOf([entryOf(0)], 3, null), fault(0))).toBeNull();
});

test("without a suspect the flight is halved, and one of the halves may lose its worker", () => {
  const flight = flightOf(
    [0, 1, 2, 3, 4].map((n) => entryOf(n)),
    1,
    null,
  );
  const [first, second] = isolate(flight, fault(-1)) ?? [];
  if (first === undefined || second === undefined) throw new Error("not halved");
  expect([numbers(first), numbers(second)]).toEqual([
    [0, 1],
    [2, 3, 4],
  ]);
  expect(first.isolation?.isLossExpected()).toBe(true);
  first.isolation?.onLoss();
  expect(second.isolation?.isLossExpected()).toBe(false);
});

test("every message at fault is found, whatever is said of suspects, and all stay in order", () => {
  const seed = Number(process.env["TICKWIRE_SEED"] ?? Date.now() % 1_000_000);
  process.stderr.write(`retry.test.ts seed ${seed}\n`);
  const random = new Random(seed);
  for (let run = 0; run < 300; run++) {
    const count = random.between(1, 40);
    const bad = new Set(
      Array.from({ length: count }, (_, n) => n).filter(() => random.chance(0.15)),
    );
    const entries = Array.from({ length: count }, (_, n) => entryOf(n));
    const settled: number[] = [];
    const failed: number[] = [];
    const queue: Flight[] = [flightOf(entries, 1, null)];
    let crossings = 0;
    for (let flight = queue.shift(); flight !== undefined; flight = queue.shift()) {
      const own = flight.crossing.map(({ ticket }) => ticket as number);
      const first = own.findIndex((n) => bad.has(n));
      crossings++;
      if (first === -1) settled.push(...own);
      else {
        // What the worker says of its progress may be right, wrong or missing.
        const suspect = random.pick([first, first, -1, random.below(own.length)]);
        const parts = isolate(flight, fault(suspect));
        if (parts !== null) queue.unshift(...parts);
        else {
          settled.push(...own);
          failed.push(...own);
        }
      }
    }
    expect(settled).toEqual(Array.from({ length: count }, (_, n) => n));
    expect(failed).toEqual([...bad]);
    // A bound on the work: each bad message costs a few crossings for each halving.
    expect(crossings).toBeLessThan(2 + bad.size * (2 * Math.ceil(Math.log2(count + 1)) + 6));
  }
});
