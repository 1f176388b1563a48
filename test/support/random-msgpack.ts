import type { Random } from "./random.ts";

/**
 * Random msgpack in any format, shortest or not: mostly what a frame may hold, now and then what it may not
 * (extension types, long or odd map keys, too deep, too many, cut short).
 */
export function randomFrame(random: Random): Uint8Array {
  const count = random.chance(0.03) ? random.between(0, 20) : random.between(1, 6);
  const head = random.chance(0.1)
    ? sized(random.chance(0.9) ? 0xdc : 0xdd, count, random.chance(0.9) ? 2 : 4)
    : [0x90 | (count & 0x0f)];
  const parts = [head];
  for (let i = 0; i < count; i++) parts.push(randomValue(random, random.between(0, 5)));
  const bytes = Uint8Array.from(parts.flat());
  return random.chance(0.1) ? bytes.subarray(0, random.below(bytes.length + 1)) : bytes;
}

function sized(format: number, value: number, size: number): number[] {
  const bytes = [format];
  for (let i = size - 1; i >= 0; i--) bytes.push(Math.floor(value / 256 ** i) % 256);
  return bytes;
}

function randomValue(random: Random, depth: number): number[] {
  if (depth > 0 && random.chance(0.4)) {
    return random.chance(0.5) ? randomArray(random, depth) : randomMap(random, depth);
  }
  switch (random.below(8)) {
    case 0:
      return [random.pick([0xc0, 0xc2, 0xc3])];
    case 1:
      return [random.below(0x80)];
    case 2:
      return [random.between(0xe0, 0xff)];
    case 3:
      return randomNumber(random);
    case 4:
      return randomString(random);
    case 5:
      return randomBinary(random);
    case 6:
      return randomString(random);
    default:
      return random.chance(0.05) ? randomRefused(random) : [random.below(0x80)];
  }
}

function randomNumber(random: Random): number[] {
  const [format, size] = random.pick([
    [0xcc, 1],
    [0xcd, 2],
    [0xce, 4],
    [0xcf, 8],
    [0xd0, 1],
    [0xd1, 2],
    [0xd2, 4],
    [0xd3, 8],
    [0xca, 4],
    [0xcb, 8],
  ] as const);
  return [format, ...random.bytes(size)];
}

function randomString(random: Random): number[] {
  const text = [...Buffer.from(random.text(random.below(34), "ab.é€"))];
  const { length } = text;
  const head = random.pick([
    length < 32 ? [0xa0 | length] : sized(0xd9, length, 1),
    sized(0xd9, length, 1),
    sized(0xda, length, 2),
    sized(0xdb, length, 4),
  ]);
  return [...head, ...text];
}

function randomBinary(random: Random): number[] {
  const bytes = [...random.bytes(random.below(20))];
  const size = random.pick([1, 2, 4]);
  return [...sized(size === 1 ? 0xc4 : size === 2 ? 0xc5 : 0xc6, bytes.length, size), ...bytes];
}

function randomArray(random: Random, depth: number): number[] {
  const count = random.below(4);
  const head = random.pick([[0x90 | count], sized(0xdc, count, 2), sized(0xdd, count, 4)]);
  return head.concat(...Array.from({ length: count }, () => randomValue(random, depth - 1)));
}

function randomMap(random: Random, depth: number): number[] {
  const count = random.below(3);
  const head = random.pick([[0x80 | count], sized(0xde, count, 2), sized(0xdf, count, 4)]);
  const entries = Array.from({ length: count }, () => {
    const key = random.chance(0.95) ? shortKey(random) : randomValue(random, 0);
    return [...key, ...randomValue(random, depth - 1)];
  });
  return head.concat(...entries);
}

function shortKey(random: Random): number[] {
  const key = [...Buffer.from(random.text(random.below(6), "abcé"))];
  return random.chance(0.5) ? [0xa0 | key.length, ...key] : [0xd9, key.length, ...key];
}

function randomRefused(random: Random): number[] {
  return random.pick([
    [0xc1],
    [0xd4, 0x01, 0x00],
    [0xd6, 0xff, 0, 0, 0, 0],
    [0xc7, 0x01, 0x05, 0x00],
    [0xd4, 0x72, 0x40],
    [0xdd, 0xff, 0xff, 0xff, 0xff],
    [0xc6, 0xff, 0xff, 0xff, 0xff],
  ]);
}
