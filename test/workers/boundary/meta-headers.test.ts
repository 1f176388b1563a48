import { describe, expect, test } from "bun:test";

import { Unpackr } from "msgpackr";

import { metaField, metaValue } from "../../../protocol/messages/meta.ts";
import type { PublicationMeta } from "../../../protocol/messages/meta.ts";
import { isHeaders, withHeaders } from "../../../workers/boundary/meta-headers.ts";
import { msgpackOf } from "../../../workers/runtime/payload.ts";
import { announceSeed, Random } from "../../support/random.ts";

const seed = announceSeed("meta headers");
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: false, int64AsType: "number" });

function randomMeta(random: Random): PublicationMeta {
  const text = (most: number): string | null =>
    random.chance(0.4) ? null : random.text(random.below(most), "aé漢");
  return {
    id: text(80),
    key: text(80),
    headers: random.chance(0.4)
      ? null
      : new Map(Array.from({ length: random.below(17) }, (_, i) => [`h${i}`, text(40) ?? ""])),
    traceparent: random.chance(0.5) ? null : random.text(55, "abc"),
    tracestate: random.chance(0.5) ? null : random.text(100, "abc"),
    timeMs: random.chance(0.5) ? null : random.uint32(),
    user: text(80),
  };
}

function check(value: unknown): boolean {
  const bytes = msgpackOf(value);
  return isHeaders(bytes, 0, bytes.length);
}

describe("other headers", () => {
  test("change the headers of a meta field and nothing else", () => {
    const random = new Random(seed);
    for (let round = 0; round < 2000; round++) {
      const meta = randomMeta(random);
      const fields = metaValue(meta) as unknown[];
      let kept = 7;
      while (kept > 0 && fields[kept - 1] === null && random.chance(0.5)) kept--;
      const headers = new Map([["x", random.text(random.below(50), "yz")]]);
      const changed = withHeaders(msgpackOf(fields.slice(0, kept)), msgpackOf(headers));
      if (changed === null) throw new Error("the meta field is small");
      expect(metaField(unpackr.unpack(changed))).toEqual({ ...meta, headers });
    }
  });

  test("make a meta field where there was none", () => {
    const changed = withHeaders(null, msgpackOf(new Map([["a", "b"]])));
    expect(metaField(unpackr.unpack(changed ?? new Uint8Array(0))).headers).toEqual(
      new Map([["a", "b"]]),
    );
  });

  test("that make the meta field too large are refused", () => {
    const headers = new Map(Array.from({ length: 4 }, (_, i) => [`h${i}`, "x".repeat(1020)]));
    expect(withHeaders(null, msgpackOf(headers))).toBeNull();
    expect(withHeaders(msgpackOf(["id"]), msgpackOf(headers))).toBeNull();
  });

  test("are refused for a meta field that is none", () => {
    for (const value of ["text", 7, [1, 2], [null, null, 5]]) {
      expect(() => withHeaders(msgpackOf(value), msgpackOf(new Map()))).toThrow(RangeError);
    }
  });

  test("are a map of strings within bounds", () => {
    expect(check(new Map([["a", "b"]]))).toBe(true);
    expect(check(new Map())).toBe(true);
    expect(check(new Map(Array.from({ length: 17 }, (_, i) => [`h${i}`, ""])))).toBe(false);
    expect(check(new Map([["a", "x".repeat(1100)]]))).toBe(false);
    expect(check(new Map([["x".repeat(80), ""]]))).toBe(false);
    expect(check({ a: null })).toBe(false);
    expect(check([])).toBe(false);
    const cut = msgpackOf(new Map([["a", "b"]]));
    for (let end = 0; end < cut.length; end++) expect(isHeaders(cut, 0, end)).toBe(false);
  });
});
