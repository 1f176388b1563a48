import { describe, expect, test } from "bun:test";

import { formatMember, readMember, withMember } from "../../../broker/tracing/trace-member.ts";
import { transformOf } from "../../support/delivery-trace.ts";
import { announceSeed, Random } from "../../support/random.ts";

const RECEIVED_MS = 1_800_000_000_000.25;
/** The same as a member has it. */
const T = (RECEIVED_MS * 1000).toString(36);
const NOTHING_TOLD = {
  reason: "head",
  receivedMs: 0,
  clientSentMs: 0,
  txQueueMs: 0,
  txRunMs: 0,
} as const;

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

  test("tells when the client published it, whatever else it tells", () => {
    const random = new Random(announceSeed("trace member"));
    for (let round = 0; round < 1000; round++) {
      const receivedMs = RECEIVED_MS + random.below(1e9) / 1000;
      const tookMs = random.below(60_000_000) / 1000;
      const transform = random.chance(0.5) ? null : transformOf();
      const sentMs = receivedMs - tookMs;
      const member = formatMember("head", receivedMs, transform, sentMs);
      const told = readMember(withMember("a=1", member));
      const plain = readMember(formatMember("head", receivedMs, transform));
      expect({ ...told, clientSentMs: 0 }).toEqual(plain as NonNullable<typeof plain>);
      // Both are rounded down to the microsecond, and doubles of that size know half of one.
      expect(Math.abs((told?.clientSentMs ?? 0) - sentMs)).toBeLessThan(0.003);
      expect(told?.clientSentMs ?? Infinity).toBeLessThanOrEqual(told?.receivedMs ?? 0);
    }
  });

  test("tells that the client published it the moment it came in", () => {
    const told = readMember(formatMember("head", RECEIVED_MS, null, RECEIVED_MS));
    expect(told?.clientSentMs).toBe(RECEIVED_MS);
  });

  test.each([
    ["without when it came in", "tickwire=head;c:a"],
    ["of more than a minute", `tickwire=head;t:${T};c:${(60_000_001).toString(36)}`],
    ["that cannot be read", `tickwire=head;t:${T};c:-1`],
    ["of a node that knows nothing of it", `tickwire=head;t:${T};q:0;x:0`],
  ])("tells no time of the client %s", (_what, state) => {
    expect(readMember(state)?.clientSentMs).toBe(0);
  });

  test("is read where more is told than is known", () => {
    expect(readMember(`tickwire=head;t:${T};k:5;c:rs;z9`)).toMatchObject({
      receivedMs: RECEIVED_MS,
      clientSentMs: RECEIVED_MS - 1,
    });
  });

  test("keeps to what W3C allows in a value", () => {
    const transform = transformOf({ enteredMs: 0, startedMs: 2 ** 42, endedMs: 2 ** 43 });
    const [, value = ""] = formatMember("upstream", 2 ** 42, transform, 1).split("=");
    expect(value).toMatch(/^[\x20-\x2b\x2d-\x3c\x3e-\x7e]{1,64}$/);
    // Clocks that differ make no number below zero.
    const backwards = transformOf({ enteredMs: 20, startedMs: 10, endedMs: 5 });
    expect(formatMember("head", -1, backwards, 1)).toBe("tickwire=head;t:0;c:0;q:0;x:0");
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
