import { describe, expect, test } from "bun:test";

import { encodeMeta } from "../../broker/meta.ts";
import { MAX_META_BYTES } from "../../protocol/limits.ts";
import { EMPTY_META, metaField } from "../../protocol/messages/meta.ts";
import { PlainReader } from "../support/plain-msgpack.ts";

const NOW_MS = 1_800_000_000_123;

function headersOf(count: number, valueBytes: number): Map<string, string> {
  return new Map(Array.from({ length: count }, (_, i) => [`h${i}`, "x".repeat(valueBytes)]));
}

describe("meta", () => {
  test("carries what the publisher gave, and the broker's own time and user whatever it gave", () => {
    const meta = {
      id: "one",
      key: "k",
      headers: new Map([["lang", "ü"]]),
      traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
      tracestate: "a=b",
    };
    const forged = { ...meta, timeMs: 5, user: "root" };
    const value = new PlainReader(encodeMeta(forged, NOW_MS, "ada")).value(3);
    expect(metaField(value)).toEqual({ ...meta, timeMs: NOW_MS, user: "ada" });
  });

  test("writes the time as a msgpack integer and not as a double [P-3.4]", () => {
    const bytes = encodeMeta(EMPTY_META, NOW_MS + 0.75, null);
    // An array of 7, nil x 5, then int 64 or uint 64.
    expect(bytes.slice(0, 6).toHex()).toBe("97c0c0c0c0c0");
    expect([0xd3, 0xcf]).toContain(bytes[6] as number);
    expect(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(7)).toBe(BigInt(NOW_MS));
  });

  test("has memory of its own: the next one does not change it", () => {
    const first = encodeMeta({ ...EMPTY_META, id: "first" }, NOW_MS, null);
    const copy = first.slice();
    for (let i = 0; i < 1000; i++) encodeMeta({ ...EMPTY_META, id: `other ${i}` }, NOW_MS, null);
    expect(first).toEqual(copy);
    expect(first.buffer.byteLength).toBe(first.length);
  });

  test("is refused when it is too large as a whole, though each part is allowed", () => {
    const encoded = encodeMeta({ ...EMPTY_META, headers: headersOf(4, 1000) }, NOW_MS, null);
    expect(encoded.length).toBeLessThanOrEqual(MAX_META_BYTES);
    let error: unknown = null;
    try {
      encodeMeta({ ...EMPTY_META, headers: headersOf(5, 1000) }, NOW_MS, null);
    } catch (caught) {
      error = caught;
    }
    expect(error).toMatchObject({ info: { code: 4013 } });
  });
});
