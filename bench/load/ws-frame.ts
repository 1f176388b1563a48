/**
 * Just enough of RFC 6455 for a client that must cost less than the server it measures: whole data
 * messages and control frames, no fragments, no extensions.
 */
export const WsOpcode = { binary: 2, close: 8, ping: 9, pong: 10 } as const;

/** Bytes of a client's frame header: opcode, length in its shortest form, and the masking key. */
export function clientHeaderSize(payloadBytes: number): number {
  return 6 + extendedLengthSize(payloadBytes);
}

function extendedLengthSize(payloadBytes: number): number {
  if (payloadBytes < 126) return 0;
  return payloadBytes < 0x1_0000 ? 2 : 8;
}

/**
 * Writes the header of a client's frame; returns the position of its payload. The masking key is zero,
 * which the RFC permits and which leaves the payload as it is: no work for us, the usual work for the server.
 *
 *   FIN+opcode 1 | MASK+length 1 | extended length 0, 2 or 8 | key 4
 */
export function writeClientHeader(
  bytes: Uint8Array,
  pos: number,
  opcode: number,
  payloadBytes: number,
): number {
  const extended = extendedLengthSize(payloadBytes);
  const code = extended === 0 ? payloadBytes : extended === 2 ? 126 : 127;
  bytes[pos] = 0x80 | opcode;
  bytes[pos + 1] = 0x80 | code;
  for (let i = 0; i < extended; i++) {
    bytes[pos + 2 + i] = Math.floor(payloadBytes / 256 ** (extended - 1 - i)) & 0xff;
  }
  bytes.fill(0, pos + 2 + extended, pos + 6 + extended);
  return pos + 6 + extended;
}

/** One whole client frame. */
export function clientFrame(opcode: number, payload: Uint8Array): Uint8Array<ArrayBuffer> {
  const frame = new Uint8Array(clientHeaderSize(payload.length) + payload.length);
  frame.set(payload, writeClientHeader(frame, 0, opcode, payload.length));
  return frame;
}

/** Receives what a scanner finds. The bytes are only valid during the call. */
export interface FrameVisitor {
  /** A whole binary or text message: `bytes[start, end)`. */
  message(bytes: Uint8Array, start: number, end: number): void;
  /** A close, ping or pong frame. */
  control(opcode: number, payload: Uint8Array): void;
}

/** Splits a server's byte stream into frames, wherever it has been cut. */
export class FrameScanner {
  /** Start of a frame whose end has not come yet. */
  #rest: Uint8Array = new Uint8Array(0);

  /** @throws Error when the stream is not one of whole, unmasked messages */
  push(chunk: Uint8Array, visitor: FrameVisitor): void {
    const from = this.#rest.length === 0 ? 0 : this.#finishRest(chunk, visitor);
    const at = scan(chunk, from, visitor);
    if (at < chunk.length) this.#rest = chunk.slice(at);
  }

  /** Completes the frame that was cut; returns how much of the chunk that took. */
  #finishRest(chunk: Uint8Array, visitor: FrameVisitor): number {
    const rest = this.#rest;
    const head = Buffer.concat([rest, chunk.subarray(0, MAX_SERVER_HEADER_BYTES)]);
    const size = frameSize(head, 0);
    const missing = size - rest.length;
    if (size === 0 || missing > chunk.length) {
      this.#rest = Buffer.concat([rest, chunk]);
      return chunk.length;
    }
    this.#rest = new Uint8Array(0);
    scan(Buffer.concat([rest, chunk.subarray(0, missing)]), 0, visitor);
    return missing;
  }
}

const MAX_SERVER_HEADER_BYTES = 10;

/** Bytes of a server's frame, header included; 0 when the header is not all there. */
function frameSize(bytes: Uint8Array, pos: number): number {
  const room = bytes.length - pos;
  if (room < 2) return 0;
  const code = bytes[pos + 1] as number;
  if (code < 126) return 2 + code;
  if (code > 127) throw new Error("the server sent a masked frame");
  const extended = code === 126 ? 2 : 8;
  if (room < 2 + extended) return 0;
  let length = 0;
  for (let i = 0; i < extended; i++) length = length * 256 + (bytes[pos + 2 + i] as number);
  return 2 + extended + length;
}

/** Visits the whole frames from `from`; returns where the first that is cut starts. */
function scan(bytes: Uint8Array, from: number, visitor: FrameVisitor): number {
  let at = from;
  while (at < bytes.length) {
    const size = frameSize(bytes, at);
    const end = at + size;
    if (size === 0 || end > bytes.length) return at;
    const code = bytes[at + 1] as number;
    const start = at + (code < 126 ? 2 : code === 126 ? 4 : 10);
    const head = bytes[at] as number;
    if (head === 0x82 || head === 0x81) visitor.message(bytes, start, end);
    else if (head >= 0x88) visitor.control(head & 0x0f, bytes.slice(start, end));
    else throw new Error(`the server sent a frame 0x${head.toString(16)} this client cannot read`);
    at = end;
  }
  return at;
}
