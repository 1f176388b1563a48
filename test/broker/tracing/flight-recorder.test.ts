import { describe, expect, test } from "bun:test";

import { FlightRecorder } from "../../../broker/tracing/flight-recorder.ts";
import type { BatchArrival } from "../../../broker/tracing/flight-recorder.ts";
import { PlainRecorder } from "../../support/plain-recorder.ts";
import { announceSeed, Random } from "../../support/random.ts";

const random = new Random(announceSeed("flight-recorder"));

function arrival(): BatchArrival | null {
  if (random.below(3) === 0) return null;
  const node = `n_${random.below(5)}`;
  const producer = random.below(8) === 0 ? "" : `${node}.${random.below(3)}`;
  const sentMs = 1.8e12 + random.below(1e6) + 0.125;
  return { producer, node: producer === "" ? "" : node, openedMs: sentMs - 0.5, sentMs };
}

describe("the flight recorder", () => {
  test("holds what a plain list of the same length holds", () => {
    for (const capacity of [1, 2, 7, 64]) {
      const recorder = new FlightRecorder(capacity);
      const plain = new PlainRecorder(capacity);
      const offsets = [0, 0, 4_294_967_290, Number.MAX_SAFE_INTEGER - 100_000];
      for (let i = 0; i < 500; i++) {
        const channelId = random.below(offsets.length);
        const count = 1 + random.below(5);
        const firstOffset = (offsets[channelId] as number) + 1;
        offsets[channelId] = firstOffset + count - 1;
        const times = [
          random.below(1000) + 0.25,
          random.below(1000) + 0.5,
          random.below(1000),
        ] as const;
        const record = [channelId, firstOffset, count, random.below(2 ** 31)] as const;
        const reached = [random.below(100_000), random.below(3)] as const;
        const from = arrival();
        recorder.write(...record, ...reached, ...times, from);
        plain.write(...record, ...reached, ...times, from);
        expect(recorder.next).toBe(plain.next);
        const at = random.below(plain.next + 2) - 1;
        expect(recorder.read(at)).toEqual(plain.read(at));
        const sought = firstOffset - random.below(12);
        expect(recorder.find(channelId, sought)).toEqual(plain.find(channelId, sought));
      }
    }
  });

  test("finds nothing of a channel that was never written", () => {
    const recorder = new FlightRecorder(4);
    expect(recorder.find(1, 1)).toBeNull();
    expect(recorder.read(0)).toBeNull();
  });

  test("tells runs of nodes apart, however many there were", () => {
    const recorder = new FlightRecorder(4);
    for (let i = 0; i < 5000; i++) {
      const from = { producer: `n.${i}`, node: "n", openedMs: i, sentMs: i + 0.5 };
      recorder.write(1, i + 1, 1, 1, 1, 0, 0, 0, 0, from);
      expect(recorder.find(1, i + 1)?.arrival).toEqual(from);
    }
  });
});
