import { describe, expect, test } from "bun:test";

import {
  arrayField,
  booleanField,
  bytesField,
  mapField,
  optionalStringField,
  stringField,
  uintField,
} from "../../protocol/fields.ts";

const badField = expect.objectContaining({
  name: "ProtocolError",
  isFatal: false,
  info: expect.objectContaining({ name: "bad_field" }),
});

/** One value of every type a decoder can hand over. */
const anything: Record<string, unknown> = {
  nothing: undefined,
  nil: null,
  true: true,
  number: 7,
  fraction: 1.5,
  text: "text",
  bytes: new Uint8Array(2),
  array: [1],
  map: new Map([["a", 1]]),
};

/** Expects that only the named ones of `anything` are taken, and that the error names the field. */
function expectOnly(taken: readonly string[], read: (value: unknown) => unknown): void {
  for (const [kind, value] of Object.entries(anything)) {
    const run = (): unknown => read(value);
    if (taken.includes(kind)) expect(run).not.toThrow();
    else {
      expect(run).toThrow(badField);
      expect(run).toThrow("limit");
    }
  }
}

describe("uintField", () => {
  test("takes integers within bounds only", () => {
    expectOnly(["number"], (value) => uintField(value, "limit"));
    expect(uintField(0, "limit")).toBe(0);
    expect(uintField(10, "limit", 10)).toBe(10);
    expect(uintField(Number.MAX_SAFE_INTEGER, "limit")).toBe(Number.MAX_SAFE_INTEGER);
    expect(uintField(5n, "limit")).toBe(5);
  });

  test.each([-1, 11, 2 ** 53, Number.NaN, Number.POSITIVE_INFINITY, -1n, 2n ** 64n])(
    "refuses %p where 10 is the most",
    (value) => {
      expect(() => uintField(value, "limit", 10)).toThrow(badField);
    },
  );
});

describe("stringField", () => {
  test("takes strings only", () => {
    expectOnly(["text"], (value) => stringField(value, "limit", 10));
  });

  test("counts bytes, not characters", () => {
    expect(stringField("éé", "limit", 4)).toBe("éé");
    expect(() => stringField("ééa", "limit", 4)).toThrow(badField);
    expect(stringField("€".repeat(5), "limit", 15)).toBe("€".repeat(5));
    expect(() => stringField("€".repeat(5), "limit", 14)).toThrow(badField);
    expect(stringField("a".repeat(14), "limit", 14)).toBe("a".repeat(14));
    expect(() => stringField("a".repeat(15), "limit", 14)).toThrow(badField);
    expect(() => stringField("😀", "limit", 3)).toThrow(badField);
    expect(stringField("😀", "limit", 4)).toBe("😀");
  });
});

test("optionalStringField takes strings, nil and a field left out", () => {
  expectOnly(["text", "nil", "nothing"], (value) => optionalStringField(value, "limit", 10));
  expect(optionalStringField(undefined, "limit", 1)).toBeNull();
  expect(optionalStringField(null, "limit", 1)).toBeNull();
  expect(optionalStringField("x", "limit", 1)).toBe("x");
});

test("booleanField takes booleans only", () => {
  expectOnly(["true"], (value) => booleanField(value, "limit"));
  expect(booleanField(false, "limit")).toBe(false);
});

test("arrayField takes arrays only", () => {
  expectOnly(["array"], (value) => arrayField(value, "limit"));
});

describe("bytesField", () => {
  test("takes bytes as they are and strings as UTF-8", () => {
    expectOnly(["bytes", "text"], (value) => bytesField(value, "limit"));
    const bytes = new Uint8Array(3);
    expect(bytesField(bytes, "limit")).toBe(bytes);
    expect(bytesField("é", "limit")).toEqual(Uint8Array.of(0xc3, 0xa9));
  });

  test("takes a map of b64 alone, with and without padding", () => {
    for (const text of ["/wA=", "/wA"]) {
      expect(bytesField(new Map([["b64", text]]), "limit")).toEqual(Uint8Array.of(0xff, 0));
    }
  });

  test.each([
    ["no base64", { b64: "*" }],
    ["base64 that is cut", { b64: "a" }],
    ["a number", { b64: 1 }],
    ["another key", { b65: "" }],
    ["a key more", { b64: "", x: "" }],
    ["nothing", {}],
  ])("refuses a map of %s", (_, entries) => {
    expect(() => bytesField(new Map(Object.entries(entries)), "limit")).toThrow(badField);
  });
});

test("mapField takes maps, and objects as JSON has them", () => {
  expectOnly(["map"], (value) => mapField(value, "limit"));
  expect(mapField(new Map([["a", 1]]), "limit")).toEqual([["a", 1]]);
  expect(mapField({ a: 1, b: null }, "limit")).toEqual([
    ["a", 1],
    ["b", null],
  ]);
  expect(mapField(JSON.parse('{"__proto__":1}'), "limit")).toEqual([["__proto__", 1]]);
});
