import { describe, expect, test } from "bun:test";

import { Packr, Unpackr } from "msgpackr";

import { MsgpackDecoder } from "../../client/msgpack-decoder.ts";
import { MsgpackEncoder } from "../../client/msgpack-encoder.ts";
import { arbitraryText, arbitraryUint } from "../support/arbitrary.ts";
import { Mutator } from "../support/mutate.ts";
import { announceSeed, Random } from "../support/random.ts";

/*
 * The SDK's msgpack against msgpackr, its plain twin: what either writes, the other reads as the same value.
 * Then what msgpackr does not do: refuse extensions, and answer damaged bytes with one exception.
 */

const ROUNDS = 3000;
const seed = announceSeed("client msgpack");

const encoder = new MsgpackEncoder();
const decoder = new MsgpackDecoder();
const packr = new Packr({ useRecords: false, variableMapSize: true });
const unpackr = new Unpackr({ useRecords: false });

function encode(value: unknown): Uint8Array {
  return encoder.encode(value).slice();
}

function decodeHex(hex: string): unknown {
  return decoder.decode(Uint8Array.fromHex(hex));
}

function arbitraryScalar(random: Random): unknown {
  switch (random.below(8)) {
    case 0:
      return null;
    case 1:
      return random.chance(0.5);
    case 2:
      return arbitraryUint(random);
    case 3:
      return -arbitraryUint(random) || 0;
    case 4:
      return (random.uint32() - 0x8000_0000) / 1000;
    case 5:
      return random.bytes(random.pick([0, 1, 200, 255, 256, 300]));
    case 6:
      return new Date(
        random.pick([0, 1.7e12, 1_700_000_000_123, -1, 2 ** 33 * 1000, 2 ** 35 * 1000]),
      );
    default:
      return arbitraryText(random, random.pick([5, 31, 32, 33, 255, 256, 300]));
  }
}

function arbitraryValue(random: Random, depth = 4): unknown {
  if (depth === 0 || random.chance(0.4)) return arbitraryScalar(random);
  const length = random.chance(0.05) ? random.pick([15, 16, 17]) : random.below(5);
  const items = Array.from({ length }, () => arbitraryValue(random, depth - 1));
  if (random.chance(0.5)) return items;
  return Object.fromEntries(items.map((item, i) => [arbitraryText(random, 20) + i, item]));
}

/** Views of Buffers and of arrays are the same bytes. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return Uint8Array.from(value);
  if (Array.isArray(value)) return value.map(plain);
  if (value instanceof Date) return value;
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]));
}

describe("against msgpackr", () => {
  test("it reads what msgpackr writes", () => {
    const random = new Random(seed);
    for (let i = 0; i < ROUNDS; i++) {
      const value = arbitraryValue(random);
      expect(decoder.decode(Uint8Array.from(packr.pack(value)))).toEqual(value);
    }
  });

  test("msgpackr reads what it writes", () => {
    const random = new Random(seed + 1);
    for (let i = 0; i < ROUNDS; i++) {
      const value = arbitraryValue(random);
      const read = plain(unpackr.unpack(encode(value)));
      // msgpackr gives 64-bit integers as bigints, also those a double holds.
      const expected = decoder.decode(encode(value));
      expect(JSON.stringify(read, numbers)).toBe(JSON.stringify(plain(expected), numbers));
    }
  });

  test("lengths and integers take as few bytes as msgpackr's", () => {
    for (const value of [0, 127, 128, 255, 256, 65_535, 65_536, 0xffff_ffff, -1, -32, -33, -128]) {
      expect(encode(value).length).toBe(packr.pack(value).length);
    }
    for (const length of [0, 31, 32, 255, 256, 65_535, 65_536]) {
      expect(encode("x".repeat(length)).length).toBe(
        length + (length < 32 ? 1 : length < 256 ? 2 : length < 65_536 ? 3 : 5),
      );
    }
  });
});

function numbers(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? Number(value) : value;
}

test("what it writes it reads", () => {
  const random = new Random(seed + 2);
  for (let i = 0; i < ROUNDS; i++) {
    const value = arbitraryValue(random);
    expect(decoder.decode(encode(value))).toEqual(value);
  }
});

test("numbers keep their value and sign", () => {
  const numbersToTry = [
    0,
    -0,
    1.5,
    -1.5,
    1e300,
    Number.MIN_VALUE,
    Number.NaN,
    Infinity,
    -Infinity,
    2 ** 31,
    -(2 ** 31),
    -(2 ** 31) - 1,
    2 ** 32,
    2 ** 53,
    -(2 ** 53),
    2 ** 60,
    Number.MAX_SAFE_INTEGER,
    Number.MIN_SAFE_INTEGER,
  ];
  for (const value of numbersToTry) expect(decoder.decode(encode(value))).toBe(value);
});

test("bigints of 64 bits keep their value; as numbers when a double holds them", () => {
  expect(decoder.decode(encode(2n ** 64n - 1n))).toBe(2n ** 64n - 1n);
  expect(decoder.decode(encode(-(2n ** 63n)))).toBe(-(2n ** 63n));
  expect(decoder.decode(encode(7n))).toBe(7);
  expect(() => encode(2n ** 64n)).toThrow("64 bits");
  expect(() => encode(-(2n ** 63n) - 1n)).toThrow("64 bits");
});

test("undefined is nil in an array and left out of an object", () => {
  expect(decoder.decode(encode([undefined, 1]))).toEqual([null, 1]);
  expect(Object.keys(decoder.decode(encode({ a: undefined, b: 1 })) as object)).toEqual(["b"]);
});

test("collections and typed arrays of every kind are taken", () => {
  const value = {
    set: new Set([1, 2]),
    map: new Map<unknown, unknown>([
      ["a", 1],
      [2, "b"],
    ]),
    floats: new Float32Array([1, 2]),
    buffer: new Uint8Array([1, 2, 3]).buffer,
  };
  expect(decoder.decode(encode(value))).toEqual({
    set: [1, 2],
    map: { a: 1, 2: "b" },
    floats: new Uint8Array(new Float32Array([1, 2]).buffer),
    buffer: new Uint8Array([1, 2, 3]),
  });
});

test("a lone surrogate becomes a replacement character, and a byte order mark stays", () => {
  expect(decoder.decode(encode("a\ud800"))).toBe("a\ufffd");
  expect(decoder.decode(encode("\ufeffx"))).toBe("\ufeffx");
});

test("what msgpack cannot say is refused, and the encoder goes on working", () => {
  const circular: unknown[] = [];
  circular.push(circular);
  for (const value of [() => 1, Symbol("x"), circular, new Date(Number.NaN), { deep: [() => 1] }]) {
    expect(() => encode(value)).toThrow("cannot be encoded");
  }
  expect(decoder.decode(encode([1]))).toEqual([1]);
});

test("a getter that encodes something itself does not disturb", () => {
  const value = {
    before: 1,
    get nested() {
      return encode(["inner"]);
    },
    after: 2,
  };
  const read = decoder.decode(encode(value)) as { nested: Uint8Array };
  expect(read).toMatchObject({ before: 1, after: 2 });
  expect(decoder.decode(read.nested)).toEqual(["inner"]);
});

test("a large value leaves no large buffer, and does not change the one before", () => {
  const large = encode(new Uint8Array(3 << 20));
  const small = encode("small");
  expect(large.length).toBe((3 << 20) + 5);
  expect(decoder.decode(small)).toBe("small");
});

test("short texts that share a place in the cache stay apart", () => {
  // Far more than the cache has places, so that every place is contested.
  const texts = Array.from({ length: 5000 }, (_, i) => `k${i}`);
  const value = Object.fromEntries(texts.map((text) => [text, text]));
  const bytes = encode(value);
  for (let i = 0; i < 2; i++) expect(decoder.decode(bytes)).toEqual(value);
});

test("a key named __proto__ is refused and changes no prototype", () => {
  const bytes = encode(new Map([["__proto__", new Map([["polluted", true]])]]));
  expect(() => decoder.decode(bytes)).toThrow("not a map key");
  expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
});

test("extensions other than timestamps and undefined are refused", () => {
  expect(decodeHex("d40000")).toBeUndefined();
  // A regular expression, a record, an error, a set and a bigint, as msgpackr writes them.
  for (const type of ["78", "72", "65", "73", "42"]) {
    expect(() => decodeHex(`d4${type}00`)).toThrow("unknown extension");
  }
});

test("timestamps in all three forms are Dates", () => {
  expect(decodeHex("d6ff0000000a")).toEqual(new Date(10_000));
  expect(decodeHex("d7ff1dcd650000000001")).toEqual(new Date(1125));
  expect(decodeHex("c70cff07735940ffffffffffffffff")).toEqual(new Date(-875));
});

test("claims of huge lengths fail at once, without allocating", () => {
  for (const hex of [
    "dbffffffff",
    "c6ffffffff",
    "ddffffffff",
    "dfffffffff",
    "c9ffffffff01",
    "df80000000",
  ]) {
    expect(() => decodeHex(hex)).toThrow("cut short");
  }
  expect(() => decoder.decode(new Uint8Array(100_000).fill(0x91))).toThrow("too deep");
});

test("bytes left over are refused, or told of when several values are read", () => {
  const two = Uint8Array.of(1, 0x91, 2);
  expect(() => decoder.decode(two)).toThrow("left over");
  expect(decoder.decodeAt(two, 0)).toBe(1);
  expect(decoder.end).toBe(1);
  expect(decoder.decodeAt(two, 1)).toEqual([2]);
  expect(decoder.end).toBe(3);
});

test("damaged bytes give a value or one Error, whatever they are", () => {
  const random = new Random(seed + 3);
  const mutator = new Mutator(
    random,
    Array.from({ length: 50 }, () => encode(arbitraryValue(random))),
  );
  let refused = 0;
  for (let i = 0; i < 50_000; i++) {
    const bytes = mutator.next();
    try {
      decoder.decode(bytes);
    } catch (error) {
      expect(error).toBeInstanceOf(Error);
      refused++;
    }
  }
  expect(refused).toBeGreaterThan(5000);
  expect(decoder.decode(encode({ fine: true }))).toEqual({ fine: true });
});
