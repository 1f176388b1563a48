const MAX_DEPTH = 64;
/** Extension type of timestamps, -1. */
const TIMESTAMP = 0xff;

/**
 * Walks one msgpack value in front of the decoder, which by itself takes extensions that make objects of its own
 * kinds. Allowed is all of plain msgpack and the timestamp.
 * @throws SyntaxError
 */
export function checkMsgpack(bytes: Uint8Array, start: number, end: number): void {
  const at = valueEnd(bytes, start, end, MAX_DEPTH);
  if (at !== end) throw new SyntaxError("bytes are left over behind the msgpack value");
}

function valueEnd(bytes: Uint8Array, pos: number, end: number, depth: number): number {
  if (pos >= end) throw cutShort();
  const head = bytes[pos] as number;
  if (head < 0x80 || head >= 0xe0) return pos + 1;
  if (head < 0x90) return itemsEnd(bytes, pos + 1, end, depth, (head & 0x0f) * 2);
  if (head < 0xa0) return itemsEnd(bytes, pos + 1, end, depth, head & 0x0f);
  if (head < 0xc0) return within(pos + 1 + (head & 0x1f), end);
  switch (head) {
    case 0xc0:
    case 0xc2:
    case 0xc3:
      return pos + 1;
    case 0xcc:
    case 0xd0:
      return within(pos + 2, end);
    case 0xcd:
    case 0xd1:
      return within(pos + 3, end);
    case 0xca:
    case 0xce:
    case 0xd2:
      return within(pos + 5, end);
    case 0xcb:
    case 0xcf:
    case 0xd3:
      return within(pos + 9, end);
    case 0xc4:
    case 0xd9:
      return within(pos + 2 + lengthAt(bytes, pos + 1, end, 1), end);
    case 0xc5:
    case 0xda:
      return within(pos + 3 + lengthAt(bytes, pos + 1, end, 2), end);
    case 0xc6:
    case 0xdb:
      return within(pos + 5 + lengthAt(bytes, pos + 1, end, 4), end);
    case 0xdc:
      return itemsEnd(bytes, pos + 3, end, depth, lengthAt(bytes, pos + 1, end, 2));
    case 0xdd:
      return itemsEnd(bytes, pos + 5, end, depth, lengthAt(bytes, pos + 1, end, 4));
    case 0xde:
      return itemsEnd(bytes, pos + 3, end, depth, lengthAt(bytes, pos + 1, end, 2) * 2);
    case 0xdf:
      return itemsEnd(bytes, pos + 5, end, depth, lengthAt(bytes, pos + 1, end, 4) * 2);
    case 0xd6:
      return timestampEnd(bytes, pos + 1, end, 4);
    case 0xd7:
      return timestampEnd(bytes, pos + 1, end, 8);
    case 0xc7:
      return timestampEnd(bytes, pos + 2, end, lengthAt(bytes, pos + 1, end, 1));
    default:
      throw new SyntaxError(`msgpack format 0x${head.toString(16)} is not taken`);
  }
}

function timestampEnd(bytes: Uint8Array, pos: number, end: number, size: number): number {
  if (pos >= end) throw cutShort();
  if (bytes[pos] !== TIMESTAMP) {
    throw new SyntaxError(`msgpack extension ${bytes[pos] as number} is not taken`);
  }
  return within(pos + 1 + size, end);
}

function lengthAt(bytes: Uint8Array, pos: number, end: number, size: number): number {
  within(pos + size, end);
  let value = 0;
  for (let i = 0; i < size; i++) value = value * 256 + (bytes[pos + i] as number);
  return value;
}

function within(at: number, end: number): number {
  if (at > end) throw cutShort();
  return at;
}

function itemsEnd(
  bytes: Uint8Array,
  pos: number,
  end: number,
  depth: number,
  count: number,
): number {
  if (depth <= 0) throw new SyntaxError("the msgpack value is nested too deep");
  // Every item is at least one byte: a count beyond that is a lie, found before the walk begins.
  within(pos + count, end);
  let at = pos;
  for (let i = 0; i < count; i++) at = valueEnd(bytes, at, end, depth - 1);
  return at;
}

function cutShort(): SyntaxError {
  return new SyntaxError("the msgpack value is cut short");
}
