/** Extension type of timestamps, -1. */
const TIMESTAMP = 0xff;

/** What a walk takes beside plain msgpack, and how it says what is wrong. */
export interface MsgpackRules {
  /** What is walked, as errors name it. */
  readonly what: string;
  readonly error: (message: string) => Error;
  /** What is said of a format that is not taken. */
  readonly refusal: string;
  /** Keys of maps must be strings of 255 bytes at most. */
  readonly hasShortKeys: boolean;
  /** Timestamps are taken; of the extensions, nothing else ever is. */
  readonly hasTimestamps: boolean;
}

/**
 * Walks one msgpack value from `pos` without allocating and returns where it ends: what passed is safe for a general
 * decoder, which by itself takes extensions that make objects of its own kinds.
 * @param depth how many arrays and maps may lie in one another
 * @throws `rules.error` of what is not taken, and of what does not end within the bytes
 */
export function msgpackEnd(
  bytes: Uint8Array,
  pos: number,
  end: number,
  depth: number,
  rules: MsgpackRules,
): number {
  if (pos >= end) throw cutShort(rules);
  const head = bytes[pos] as number;
  if (head < 0x80 || head >= 0xe0) return pos + 1;
  if (head < 0x90) return mapEnd(bytes, pos + 1, end, depth, head & 0x0f, rules);
  if (head < 0xa0) return arrayEnd(bytes, pos + 1, end, depth, head & 0x0f, rules);
  if (head < 0xc0) return within(pos + 1 + (head & 0x1f), end, rules);
  switch (head) {
    case 0xc0:
    case 0xc2:
    case 0xc3:
      return pos + 1;
    case 0xcc:
    case 0xd0:
      return within(pos + 2, end, rules);
    case 0xcd:
    case 0xd1:
      return within(pos + 3, end, rules);
    case 0xca:
    case 0xce:
    case 0xd2:
      return within(pos + 5, end, rules);
    case 0xcb:
    case 0xcf:
    case 0xd3:
      return within(pos + 9, end, rules);
    case 0xc4:
    case 0xd9:
      return within(pos + 2 + lengthAt(bytes, pos + 1, end, 1, rules), end, rules);
    case 0xc5:
    case 0xda:
      return within(pos + 3 + lengthAt(bytes, pos + 1, end, 2, rules), end, rules);
    case 0xc6:
    case 0xdb:
      return within(pos + 5 + lengthAt(bytes, pos + 1, end, 4, rules), end, rules);
    case 0xdc:
      return arrayEnd(bytes, pos + 3, end, depth, lengthAt(bytes, pos + 1, end, 2, rules), rules);
    case 0xdd:
      return arrayEnd(bytes, pos + 5, end, depth, lengthAt(bytes, pos + 1, end, 4, rules), rules);
    case 0xde:
      return mapEnd(bytes, pos + 3, end, depth, lengthAt(bytes, pos + 1, end, 2, rules), rules);
    case 0xdf:
      return mapEnd(bytes, pos + 5, end, depth, lengthAt(bytes, pos + 1, end, 4, rules), rules);
    default:
      if (rules.hasTimestamps) return timestampEnd(bytes, pos, end, rules);
      throw notTaken(head, rules);
  }
}

/** Of the extensions, only timestamps: of 4, 8 or 12 bytes. */
function timestampEnd(bytes: Uint8Array, pos: number, end: number, rules: MsgpackRules): number {
  const head = bytes[pos] as number;
  let at: number;
  let size: number;
  if (head === 0xd6 || head === 0xd7) {
    at = pos + 1;
    size = head === 0xd6 ? 4 : 8;
  } else if (head === 0xc7) {
    at = pos + 2;
    size = lengthAt(bytes, pos + 1, end, 1, rules);
  } else throw notTaken(head, rules);
  if (at >= end) throw cutShort(rules);
  if (bytes[at] !== TIMESTAMP) {
    throw rules.error(`msgpack extension ${bytes[at] as number} ${rules.refusal}`);
  }
  return within(at + 1 + size, end, rules);
}

function lengthAt(
  bytes: Uint8Array,
  pos: number,
  end: number,
  size: number,
  rules: MsgpackRules,
): number {
  within(pos + size, end, rules);
  let value = 0;
  for (let i = 0; i < size; i++) value = value * 256 + (bytes[pos + i] as number);
  return value;
}

function within(at: number, end: number, rules: MsgpackRules): number {
  if (at > end) throw cutShort(rules);
  return at;
}

function arrayEnd(
  bytes: Uint8Array,
  pos: number,
  end: number,
  depth: number,
  count: number,
  rules: MsgpackRules,
): number {
  if (depth <= 0) throw tooDeep(rules);
  // Every item is at least one byte: a count beyond that is a lie, found before the walk begins.
  within(pos + count, end, rules);
  let at = pos;
  for (let i = 0; i < count; i++) at = msgpackEnd(bytes, at, end, depth - 1, rules);
  return at;
}

function mapEnd(
  bytes: Uint8Array,
  pos: number,
  end: number,
  depth: number,
  count: number,
  rules: MsgpackRules,
): number {
  if (depth <= 0) throw tooDeep(rules);
  within(pos + count * 2, end, rules);
  let at = pos;
  for (let i = 0; i < count; i++) {
    if (rules.hasShortKeys) {
      const key = at < end ? (bytes[at] as number) : 0xc1;
      if (key >>> 5 !== 5 && key !== 0xd9) throw rules.error("map keys must be short strings");
    }
    at = msgpackEnd(bytes, at, end, depth - 1, rules);
    at = msgpackEnd(bytes, at, end, depth - 1, rules);
  }
  return at;
}

function cutShort({ error, what }: MsgpackRules): Error {
  return error(`${what} is cut short`);
}

function tooDeep({ error, what }: MsgpackRules): Error {
  return error(`${what} is nested too deep`);
}

function notTaken(head: number, { error, refusal }: MsgpackRules): Error {
  return error(`msgpack format 0x${head.toString(16)} ${refusal}`);
}
