import { describe, expect, test } from "bun:test";

import { VerdictWriter } from "../../../workers/boundary/verdict-writer.ts";
import {
  MAX_REASON_BYTES,
  VerdictError,
  VerdictReader,
  VerdictType,
} from "../../../workers/boundary/verdicts.ts";
import { msgpackOf } from "../../../workers/runtime/payload.ts";
import { plainVerdicts } from "../../support/plain-verdicts.ts";
import type { PlainVerdict } from "../../support/plain-verdicts.ts";
import { announceSeed, Random } from "../../support/random.ts";

const seed = announceSeed("verdicts");
const LIMITS = { stages: 3, maxPayloadBytes: 1000, maxEmissions: 5 };
const TYPES = ["pass", "replace", "drop", "fail"] as const;
const CAUSES = ["verdict", "emission", "throw"] as const;

function randomVerdict(random: Random): PlainVerdict {
  if (random.chance(0.4)) return { type: "pass" };
  const type = random.pick(TYPES);
  const emissions = Array.from({ length: random.below(4) }, () => ({
    stage: random.below(3),
    channel: random.pick(["out", "out.a.b"]),
    key: random.pick([null, "", "é"]),
    payload: random.bytes(random.below(50)),
  }));
  return {
    type,
    ...(type === "replace" && { payload: random.bytes(random.below(1000)) }),
    ...(type === "drop" && { stage: random.below(3), reason: random.pick(["", "too old", "é漢"]) }),
    ...(type === "fail" && {
      stage: random.below(3),
      cause: random.pick(CAUSES),
      name: "TypeError",
      message: random.pick(["", "bad 😀"]),
      location: random.pick(["", "a.ts:12"]),
    }),
    ...(emissions.length > 0 && { emissions }),
    ...(random.chance(0.3) && {
      headers: msgpackOf(new Map([["name", random.text(random.below(200), "abc")]])),
    }),
  };
}

function write(writer: VerdictWriter, verdicts: readonly PlainVerdict[]): Uint8Array {
  writer.begin(verdicts.length);
  for (const [i, verdict] of verdicts.entries()) {
    const { type, payload = new Uint8Array(0), stage = 0, emissions, headers } = verdict;
    if (type === "replace") {
      const margin = new Uint8Array([9, 9, ...payload, 9]);
      writer.replace(i, margin, 2, 2 + payload.length);
    } else if (type === "drop") writer.drop(i, stage, verdict.reason ?? "");
    else if (type === "fail") {
      const { cause = "verdict", name = "", message = "", location = "" } = verdict;
      writer.fail(i, { stage, cause, name, message, location });
    }
    if (emissions !== undefined) {
      const all = new Uint8Array(Buffer.concat(emissions.map((emission) => emission.payload)));
      let at = 0;
      const ranges = emissions.map((emission) => {
        const start = at;
        at += emission.payload.length;
        return { ...emission, start, end: at };
      });
      writer.emissions(i, ranges, all);
    }
    if (headers !== undefined) writer.headers(i, headers);
  }
  return writer.finish();
}

function read(reader: VerdictReader): PlainVerdict[] {
  const verdicts: PlainVerdict[] = [];
  while (reader.next()) {
    const type = TYPES[reader.type];
    verdicts.push({
      type,
      ...(type === "replace" && { payload: reader.bytes.slice(reader.start, reader.end) }),
      ...(type === "drop" && { stage: reader.stage, reason: reader.reason }),
      ...(type === "fail" && {
        stage: reader.stage,
        cause: reader.cause,
        name: reader.errorName,
        message: reader.errorMessage,
        location: reader.errorLocation,
      }),
      ...(reader.emissions.length > 0 && {
        emissions: reader.emissions.map(({ stage, channel, key, bytes }) => ({
          stage,
          channel,
          key,
          payload: bytes.slice(),
        })),
      }),
      ...(reader.headers !== null && { headers: reader.headers.slice() }),
    });
  }
  return verdicts;
}

describe("verdicts", () => {
  test("are written as their plain twin writes them, and read back", () => {
    const random = new Random(seed);
    const writer = new VerdictWriter();
    const reader = new VerdictReader();
    for (let round = 0; round < 500; round++) {
      const verdicts = Array.from({ length: random.below(60) }, () => randomVerdict(random));
      const bytes = write(writer, verdicts);
      expect(bytes).toEqual(plainVerdicts(verdicts));
      reader.open(bytes, verdicts.length, LIMITS);
      expect(read(reader)).toEqual(verdicts);
    }
  });

  test("are one byte for each message that passes", () => {
    const writer = new VerdictWriter();
    writer.begin(256);
    expect(writer.finish().length).toBe(4 + 256);
  });

  test("that are damaged are refused with one error, before any is read", () => {
    const random = new Random(seed);
    const reader = new VerdictReader();
    let refused = 0;
    for (let round = 0; round < 5000; round++) {
      const verdicts = Array.from({ length: random.between(1, 10) }, () => randomVerdict(random));
      const bytes = plainVerdicts(verdicts);
      const damaged = random.chance(0.3) ? bytes.slice(0, random.below(bytes.length)) : bytes;
      for (let i = random.between(1, 5); i > 0 && damaged.length > 0; i--) {
        damaged[random.below(damaged.length)] = random.below(256);
      }
      let isOpen = false;
      try {
        reader.open(damaged, verdicts.length, LIMITS);
        isOpen = true;
      } catch (error) {
        expect(error).toBeInstanceOf(VerdictError);
        refused++;
      }
      if (isOpen) expect(read(reader).length).toBe(verdicts.length);
    }
    expect(refused).toBeGreaterThan(1000);
  });

  test("are refused at every length they are cut to, and with bytes left over", () => {
    const verdicts: PlainVerdict[] = [
      { type: "replace", payload: new Uint8Array(9) },
      { type: "fail", stage: 1, cause: "throw", name: "A", message: "b", location: "c" },
      {
        type: "drop",
        reason: "why",
        emissions: [{ stage: 0, channel: "a.b", key: "k", payload: new Uint8Array(3) }],
        headers: msgpackOf(new Map([["a", "b"]])),
      },
    ];
    const bytes = plainVerdicts(verdicts);
    const reader = new VerdictReader();
    for (let length = 0; length < bytes.length; length++) {
      expect(() => reader.open(bytes.slice(0, length), 3, LIMITS)).toThrow(VerdictError);
    }
    expect(() => reader.open(Uint8Array.of(...bytes, 0), 3, LIMITS)).toThrow(VerdictError);
    expect(() => reader.open(bytes, 2, LIMITS)).toThrow("not the verdicts of 2 messages");
  });

  const hostile: readonly [string, PlainVerdict, string][] = [
    [
      "a payload over the bound",
      { type: "replace", payload: new Uint8Array(1001) },
      "over the bound",
    ],
    ["a stage there is not", { type: "drop", stage: 3 }, "no stage 3"],
    ["a reason that is too long", { type: "drop", reason: "x".repeat(257) }, "longer than"],
    [
      "too many emissions",
      {
        type: "pass",
        emissions: Array.from({ length: 6 }, () => ({
          stage: 0,
          channel: "a",
          key: null,
          payload: new Uint8Array(0),
        })),
      },
      "6 emissions",
    ],
    [
      "an emission to a pattern",
      {
        type: "pass",
        emissions: [{ stage: 0, channel: "a.*", key: null, payload: new Uint8Array(0) }],
      },
      "no valid channel",
    ],
    ["headers that are no map", { type: "pass", headers: msgpackOf(["a"]) }, "headers"],
    ["headers that are no text", { type: "pass", headers: msgpackOf({ a: 1 }) }, "headers"],
  ];
  for (const [what, verdict, message] of hostile) {
    test(`with ${what} are refused`, () => {
      const reader = new VerdictReader();
      expect(() => reader.open(plainVerdicts([verdict]), 1, LIMITS)).toThrow(message);
    });
  }

  test("with flags that mean nothing are refused", () => {
    const reader = new VerdictReader();
    expect(() => reader.open(Uint8Array.of(0, 0, 0, 1, 0x10), 1, LIMITS)).toThrow(
      "unknown flags 16",
    );
  });

  test("cut long texts between characters", () => {
    const writer = new VerdictWriter();
    writer.begin(1);
    writer.drop(0, 0, "漢".repeat(1000));
    const reader = new VerdictReader();
    reader.open(writer.finish(), 1, LIMITS);
    expect(reader.next()).toBe(true);
    expect(reader.type).toBe(VerdictType.drop);
    expect(reader.reason).toBe("漢".repeat(Math.floor(MAX_REASON_BYTES / 3)));
  });
});
