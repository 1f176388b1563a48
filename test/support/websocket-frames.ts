/** RFC 6455 frames, built byte by byte: as they should be, and as they should not. */

export const WsOpcode = {
  continuation: 0x0,
  text: 0x1,
  binary: 0x2,
  close: 0x8,
  ping: 0x9,
  pong: 0xa,
} as const;

export interface WsFrameOptions {
  /** Last frame of its message; default true. */
  readonly fin?: boolean;
  /** The three reserved bits, 0-7. */
  readonly rsv?: number;
  /** Clients mask; false sends the payload bare. */
  readonly masked?: boolean;
  /** Four bytes; by default not all alike, so that a broker that mixes them up is noticed. */
  readonly mask?: Uint8Array;
  /** The length the frame claims; default: that of the payload. */
  readonly claimedLength?: number | bigint;
  /** Bits of the length field; default: the fewest that hold it. */
  readonly lengthBits?: 7 | 16 | 64;
}

const MASK = Uint8Array.of(0x37, 0xfa, 0x21, 0x3d);

/** One frame, ready to be written to the socket. */
export function wsFrame(
  opcode: number,
  payload: Uint8Array | string = "",
  options: WsFrameOptions = {},
): Uint8Array {
  const { fin = true, rsv = 0, masked = true, mask = MASK } = options;
  const body = Uint8Array.from(Buffer.from(payload));
  if (masked) for (let i = 0; i < body.length; i++) body[i] = (body[i] ?? 0) ^ (mask[i & 3] ?? 0);
  const length = lengthField(options.claimedLength ?? body.length, options.lengthBits);
  length[0] = (length[0] ?? 0) | (masked ? 0x80 : 0);
  return Buffer.concat([
    Uint8Array.of((fin ? 0x80 : 0) | (rsv << 4) | opcode),
    length,
    masked ? mask : new Uint8Array(0),
    body,
  ]);
}

function lengthField(length: number | bigint, bits?: 7 | 16 | 64): Uint8Array {
  const width = bits ?? (length < 126 ? 7 : length < 65_536 ? 16 : 64);
  if (width === 7) return Uint8Array.of(Number(length));
  const field = Buffer.alloc(width === 16 ? 3 : 9);
  field[0] = width === 16 ? 126 : 127;
  if (width === 16) field.writeUInt16BE(Number(length), 1);
  else field.writeBigUInt64BE(BigInt(length), 1);
  return field;
}

/** A message in frames of the given pieces: the first with the opcode, the others continuing it. */
export function wsFragments(
  opcode: number,
  pieces: readonly (Uint8Array | string)[],
): Uint8Array[] {
  return pieces.map((piece, i) =>
    wsFrame(i === 0 ? opcode : WsOpcode.continuation, piece, { fin: i === pieces.length - 1 }),
  );
}

/** Cuts bytes in pieces of `size`. */
export function chopped(bytes: Uint8Array, size: number): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += size) pieces.push(bytes.subarray(at, at + size));
  return pieces;
}

/** The payload of a close frame. */
export function closePayload(code: number, reason: Uint8Array | string = ""): Uint8Array {
  return Buffer.concat([Uint8Array.of(code >> 8, code & 0xff), Buffer.from(reason)]);
}

/** A frame as the other side sent it. */
export interface WsFrame {
  readonly fin: boolean;
  readonly rsv: number;
  readonly opcode: number;
  readonly payload: Uint8Array;
}

/** Splits what a server sends into frames, however it is cut. @throws Error when the server masks */
export class WsFrameParser {
  #buffered: Buffer = Buffer.alloc(0);

  push(bytes: Uint8Array): WsFrame[] {
    this.#buffered = Buffer.concat([this.#buffered, bytes]);
    const frames: WsFrame[] = [];
    for (let frame = this.#next(); frame !== null; frame = this.#next()) frames.push(frame);
    return frames;
  }

  #next(): WsFrame | null {
    const bytes = this.#buffered;
    const [first, second] = bytes;
    if (first === undefined || second === undefined) return null;
    if ((second & 0x80) !== 0) throw new Error("a server must not mask its frames");
    const short = second & 0x7f;
    const start = short === 127 ? 10 : short === 126 ? 4 : 2;
    if (bytes.length < start) return null;
    const length =
      short === 127
        ? Number(bytes.readBigUInt64BE(2))
        : short === 126
          ? bytes.readUInt16BE(2)
          : short;
    if (bytes.length < start + length) return null;
    this.#buffered = bytes.subarray(start + length);
    return {
      fin: (first & 0x80) !== 0,
      rsv: (first >> 4) & 7,
      opcode: first & 0x0f,
      payload: Uint8Array.from(bytes.subarray(start, start + length)),
    };
  }
}
