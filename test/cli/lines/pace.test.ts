import { describe, expect, test } from "bun:test";

import { jsonFieldTime, noPace, RatePace, RecordedPace } from "../../../cli/lines/pace.ts";

const line = (text: string): Uint8Array => Buffer.from(text);

test("without a pace everything is due at once", () => {
  expect(noPace.dueMs(line("x"))).toBe(0);
});

test("a rate spaces lines evenly", () => {
  const pace = new RatePace(4);
  expect([0, 1, 2, 3, 4].map(() => pace.dueMs())).toEqual([0, 250, 500, 750, 1000]);
});

/** When lines with these times are due. */
function due(values: readonly (number | null)[], speed: number): number[] {
  let index = 0;
  const pace = new RecordedPace(() => values[index++] ?? null, speed);
  return values.map(() => pace.dueMs(line("")));
}

describe("a recorded pace", () => {
  test("keeps the gaps, divided by the speed", () => {
    expect(due([5000, 5100, 5100, 6100], 1)).toEqual([0, 100, 100, 1100]);
    expect(due([5000, 5100, 5100, 6100], 10)).toEqual([0, 10, 10, 110]);
  });

  test("lets lines without a time go with the one before", () => {
    expect(due([null, 5000, null, 5200], 1)).toEqual([0, 0, 0, 200]);
  });

  test("never goes back", () => {
    expect(due([5000, 5100, 100, 300], 1)).toEqual([0, 100, 100, 300]);
  });
});

describe("the time of a JSON line", () => {
  test("is a number, or a text that is one, at a path", () => {
    expect(jsonFieldTime("ts")(line('{"ts":12.5}'))).toBe(12.5);
    expect(jsonFieldTime("data.ts")(line('{"data":{"ts":"17"}}\r'))).toBe(17);
  });

  test("is absent from anything else", () => {
    for (const text of ["", "x", "[1]", "null", '{"ts":null}', '{"ts":"soon"}', '{"ts":""}']) {
      expect(jsonFieldTime("ts")(line(text))).toBeNull();
    }
    expect(jsonFieldTime("a.b")(line('{"a":5}'))).toBeNull();
  });
});
