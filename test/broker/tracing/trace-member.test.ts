import { describe, expect, test } from "bun:test";

import { formatMember, readMember, withMember } from "../../../broker/tracing/trace-member.ts";
import { transformOf } from "../../support/delivery-trace.ts";

const RECEIVED_MS = 1_800_000_000_000.25;
const NOTHING_TOLD = { reason: "head", receivedMs: 0, txQueueMs: 0, txRunMs: 0 } as const;

describe("our member of a tracestate", () => {
  test("tells when a publication came in, to the microsecond", () => {
    const member = formatMember("slow", RECEIVED_MS);
    expect(readMember(withMember("a=1, b=2", member))).toEqual({
      ...NOTHING_TOLD,
      reason: "slow",
      receivedMs: RECEIVED_MS,
    });
  });

  test("tells how long it waited for transforms, and how long they ran", () => {
    const transform = transformOf({ enteredMs: 1000, startedMs: 1030.5, endedMs: 1290.125 });
    const told = readMember(formatMember("debug", RECEIVED_MS, transform));
    expect(told).toMatchObject({ txQueueMs: 30.5, txRunMs: 259.625 });
    const given = transformOf({ enteredMs: 1000, startedMs: 0, endedMs: 1040 });
    const waited = readMember(formatMember("debug", RECEIVED_MS, given));
    expect(waited).toMatchObject({ txQueueMs: 40, txRunMs: 0 });
  });

  test("keeps to what W3C allows in a value", () => {
    const transform = transformOf({ enteredMs: 0, startedMs: 2 ** 42, endedMs: 2 ** 43 });
    const [, value = ""] = formatMember("upstream", 2 ** 42, transform).split("=");
    expect(value).toMatch(/^[\x20-\x2b\x2d-\x3c\x3e-\x7e]{1,64}$/);
    // Clocks that differ make no number below zero.
    const backwards = transformOf({ enteredMs: 20, startedMs: 10, endedMs: 5 });
    expect(formatMember("head", -1, backwards)).toBe("tickwire=head;t:0;q:0;x:0");
  });

  test.each([
    "tickwire=head",
    "tickwire=head;",
    "tickwire=head;t",
    "tickwire=head;t:",
    "tickwire=head;t:-5",
    "tickwire=head;t:1.5",
    "tickwire=head;t:ABC",
    "tickwire=head;t:zzzzzzzzzzz",
    "tickwire=head;t:zzzzzzzzzzzzzzzzzzzz",
    "tickwire=head;tt:5;:5;;q=5",
    "a=1,tickwire=head;y:5 ,b=2",
  ])("that cannot be read tells no times: %s", (state) => {
    expect(readMember(state)).toEqual(NOTHING_TOLD);
  });

  test.each([null, "", "a=1", "xtickwire=head", "tickwire=why;t:5", "a=tickwire=head"])(
    "is missing in %p",
    (state) => {
      expect(readMember(state)).toBeNull();
    },
  );
});
