/**
 * What every benchmark payload carries, so that each delivery can be checked:
 *
 *   publisher uint32 | sequence uint32 | filler | low byte of the sequence
 *
 * The last byte shows a payload that was cut or overwritten.
 */
export const MIN_PAYLOAD_BYTES = 16;

const SEQUENCE_AT = 4;

export function newPayload(publisher: number, payloadBytes: number): Uint8Array {
  const payload = new Uint8Array(payloadBytes);
  for (let i = 0; i < payloadBytes; i++) payload[i] = i * 31;
  putUint32(payload, 0, publisher);
  stampSequence(payload, 0, payloadBytes, 0);
  return payload;
}

/** Writes the sequence into the payload of `payloadBytes` at `pos`. */
export function stampSequence(
  bytes: Uint8Array,
  pos: number,
  payloadBytes: number,
  sequence: number,
): void {
  putUint32(bytes, pos + SEQUENCE_AT, sequence);
  bytes[pos + payloadBytes - 1] = sequence;
}

/** The sequence of the payload in `bytes[start, end)`; -1 when it is not one of this publisher's, whole. */
export function readSequence(
  bytes: Uint8Array,
  start: number,
  end: number,
  publisher: number,
  payloadBytes: number,
): number {
  if (end - start !== payloadBytes || uint32(bytes, start) !== publisher) return -1;
  const sequence = uint32(bytes, start + SEQUENCE_AT);
  return bytes[end - 1] === (sequence & 0xff) ? sequence : -1;
}

function putUint32(bytes: Uint8Array, pos: number, value: number): void {
  bytes[pos] = value >>> 24;
  bytes[pos + 1] = value >>> 16;
  bytes[pos + 2] = value >>> 8;
  bytes[pos + 3] = value;
}

function uint32(bytes: Uint8Array, pos: number): number {
  const high = ((bytes[pos] as number) << 8) | (bytes[pos + 1] as number);
  const low = ((bytes[pos + 2] as number) << 8) | (bytes[pos + 3] as number);
  return high * 0x1_0000 + low;
}
