import type { Random } from "./random.ts";

const NEWLINE = 0x0a;
const LONG_LINE_BYTES = 60_000;

/** Lines that a careless program would change: NUL, bytes that are no UTF-8, "\r", nothing at all, 60 kB. */
export function oddFeed(random: Random, lineCount: number): Uint8Array {
  const lines: Uint8Array[] = [];
  for (let i = 0; i < lineCount; i++) lines.push(oddLine(random, i), Buffer.of(NEWLINE));
  return Buffer.concat(lines);
}

function oddLine(random: Random, index: number): Uint8Array {
  if (index % 997 === 500) return withoutNewlines(random.bytes(LONG_LINE_BYTES));
  switch (random.below(8)) {
    case 0:
      return Buffer.of();
    case 1:
      return Buffer.of(0);
    case 2:
      return Buffer.of(0xff, 0xfe, 0x00);
    case 3:
      return Buffer.from("\r");
    case 4:
      return Buffer.from(`\ufeff{"seq":${index},"price":"1.9531","note":"\u20ac \u{1f41f}"}\r`);
    case 5:
      return withoutNewlines(random.bytes(random.between(1, 300)));
    default:
      return Buffer.from(`{"seq":${index},"bid":1.12120,"ask":1.12172}`);
  }
}

function withoutNewlines(bytes: Uint8Array): Uint8Array {
  return bytes.map((byte) => (byte === NEWLINE ? 0x0b : byte));
}
