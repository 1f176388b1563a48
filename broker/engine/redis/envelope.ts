import type { PresenceMember } from "../../../protocol/messages/presence.ts";
import { copyBytes } from "../../../protocol/writer.ts";

/**
 * What lies in a history entry and in a pub/sub message. All integers big-endian.
 *
 *   run      = *( payloadBytes u32, metaBytes u16, meta, payload )      publications of one channel in order;
 *              the highest bit of metaBytes says that the publication is traced, by its meta
 *   message  = header, *group / kind u8 of presence, *change
 *   header   = kind u8, producerBytes u8, producer, sentMs f64, openedMs f64
 *   group    = nameBytes u8, name, epochBytes u8, epoch, firstOffset u64, count u16, timeMs u64,
 *              runBytes u32, run
 *
 * The producer is a run of a node: its name, "." and what tells its runs apart. Times of the header are of the
 * producer's wall clock, in ms.
 *
 * kind 1: offsets were given by Redis (a recoverable channel). kind 2: there are none (epoch empty,
 * firstOffset 0), order is the order of arrival. kind 3: no publications but changes of presence,
 *
 *   change   = type u8 (1 join, 0 leave), nameBytes u8, name, connectionBytes u8, connection,
 *              userBytes u16, user as JSON
 */
export const MessageKind = { ordered: 1, plain: 2, presence: 3 } as const;

/** In the first byte of metaBytes, which is 4096 at most. */
const TRACED = 0x80;

/** Bytes a publication takes in a run, beside its payload and meta. */
export const RUN_HEADER_BYTES = 6;

/** Appends one publication to a run at `pos`; the caller has made room. Returns the position after it. */
export function writeRunEntry(
  target: Uint8Array,
  pos: number,
  source: Uint8Array,
  start: number,
  end: number,
  meta: Uint8Array | null,
  isTraced = false,
): number {
  const payloadBytes = end - start;
  const metaBytes = meta === null ? 0 : meta.length;
  target[pos] = payloadBytes >>> 24;
  target[pos + 1] = payloadBytes >>> 16;
  target[pos + 2] = payloadBytes >>> 8;
  target[pos + 3] = payloadBytes;
  target[pos + 4] = isTraced ? (metaBytes >>> 8) | TRACED : metaBytes >>> 8;
  target[pos + 5] = metaBytes;
  let at = pos + RUN_HEADER_BYTES;
  if (meta !== null) {
    target.set(meta, at);
    at += metaBytes;
  }
  return copyBytes(target, at, source, start, end);
}

/** Calls `visit` with each publication of a run; views into `run`. */
export function readRun(
  run: Uint8Array,
  visit: (start: number, end: number, meta: Uint8Array | null, isTraced: boolean) => void,
): void {
  let at = 0;
  while (at + RUN_HEADER_BYTES <= run.length) {
    const payloadBytes =
      (run[at] as number) * 0x100_0000 +
      (((run[at + 1] as number) << 16) | ((run[at + 2] as number) << 8) | (run[at + 3] as number));
    const metaHead = run[at + 4] as number;
    const metaBytes = ((metaHead & ~TRACED) << 8) | (run[at + 5] as number);
    const metaStart = at + RUN_HEADER_BYTES;
    const start = metaStart + metaBytes;
    const end = start + payloadBytes;
    if (end > run.length) throw new RangeError("a run is cut short");
    const meta = metaBytes === 0 ? null : run.subarray(metaStart, start);
    visit(start, end, meta, (metaHead & TRACED) !== 0);
    at = end;
  }
  if (at !== run.length) throw new RangeError("a run is cut short");
}

/** Publications of one channel as they come out of a pub/sub message. */
export interface Group {
  readonly channel: string;
  readonly epoch: string;
  readonly firstOffset: number;
  readonly count: number;
  readonly timeMs: number;
  readonly run: Uint8Array;
  /** The run of a node that sent it, and that node's name. */
  readonly producer: string;
  readonly node: string;
  /** When it was handed to Redis, and when the oldest publication of its batch had come in (wall ms). */
  readonly sentMs: number;
  readonly openedMs: number;
}

/** What a message says once for all its groups. */
export interface MessageHeader {
  readonly kind: typeof MessageKind.ordered | typeof MessageKind.plain;
  readonly producer: string;
  readonly sentMs: number;
  readonly openedMs: number;
}

/** Bytes of a group beside its channel's name, its epoch and its run. */
const GROUP_BYTES = 24;

/** Bytes of a header beside the producer's name. */
const HEADER_BYTES = 18;

/** One publication of a channel without offsets, as if it had come in a message. Copies it. */
export function localGroup(
  channel: string,
  { producer, sentMs, openedMs }: Omit<MessageHeader, "kind">,
  source: Uint8Array,
  start: number,
  end: number,
  meta: Uint8Array | null,
): Group {
  const run = new Uint8Array(RUN_HEADER_BYTES + (meta?.length ?? 0) + end - start);
  writeRunEntry(run, 0, source, start, end, meta);
  const place = { channel, epoch: "", firstOffset: 0, count: 1, timeMs: sentMs, run };
  return { ...place, producer, node: nodeOf(producer), sentMs, openedMs };
}

/** What a message begins with; the publish script puts groups behind it. */
export function writeHeader({ kind, producer, sentMs, openedMs }: MessageHeader): Buffer {
  const header = Buffer.allocUnsafe(HEADER_BYTES + producer.length);
  let at = header.writeUInt8(kind, 0);
  at = header.writeUInt8(producer.length, at);
  at += header.write(producer, at, "latin1");
  at = header.writeDoubleBE(sentMs, at);
  header.writeDoubleBE(openedMs, at);
  return header;
}

/** Name of the node whose run this is. */
export function nodeOf(producer: string): string {
  const end = producer.indexOf(".");
  return end === -1 ? producer : producer.slice(0, end);
}

/** Reads a pub/sub message; throws RangeError when it is not one of ours. */
export function readMessage(bytes: Uint8Array, visit: (group: Group) => void): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const kind = view.getUint8(0);
  if (kind !== MessageKind.ordered && kind !== MessageKind.plain) {
    throw new RangeError(`unknown kind ${kind}`);
  }
  let at = 1;
  const text = (): string => {
    const length = view.getUint8(at);
    const start = at + 1;
    at = start + length;
    return Buffer.from(bytes.buffer, bytes.byteOffset + start, length).toString("latin1");
  };
  const u64 = (): number => {
    const value = view.getUint32(at) * 0x1_0000_0000 + view.getUint32(at + 4);
    at += 8;
    return value;
  };
  const f64 = (): number => {
    at += 8;
    return view.getFloat64(at - 8);
  };
  const producer = text();
  const node = nodeOf(producer);
  const sentMs = f64();
  const openedMs = f64();
  while (at < bytes.length) {
    const channel = text();
    const epoch = text();
    const firstOffset = u64();
    const count = view.getUint16(at);
    at += 2;
    const timeMs = u64();
    const runBytes = view.getUint32(at);
    at += 4;
    if (at + runBytes > bytes.length) throw new RangeError("a group is cut short");
    const run = bytes.subarray(at, at + runBytes);
    const place = { channel, epoch, firstOffset, count, timeMs, run };
    visit({ ...place, producer, node, sentMs, openedMs });
    at += runBytes;
  }
}

/** Writes a plain message: the ordered one is written by the publish script, which knows the offsets. */
export function writePlainMessage(
  header: Buffer,
  groups: readonly { readonly channel: string; readonly count: number; readonly run: Uint8Array }[],
  timeMs: number,
): Buffer {
  const size = groups.reduce(
    (sum, { channel, run }) => sum + channel.length + run.length + GROUP_BYTES,
    header.length,
  );
  const buffer = Buffer.allocUnsafe(size);
  let at = header.copy(buffer);
  for (const { channel, count, run } of groups) {
    at = buffer.writeUInt8(channel.length, at);
    at += buffer.write(channel, at, "latin1");
    at = buffer.writeUInt8(0, at);
    at = buffer.writeBigUInt64BE(0n, at);
    at = buffer.writeUInt16BE(count, at);
    at = buffer.writeBigUInt64BE(BigInt(Math.trunc(timeMs)), at);
    at = buffer.writeUInt32BE(run.length, at);
    buffer.set(run, at);
    at += run.length;
  }
  return buffer;
}

/** A connection entered or left the presence of a channel. */
export interface PresenceChange {
  readonly type: "join" | "leave";
  readonly channel: string;
  readonly member: PresenceMember;
}

/** Reads a message of kind 3; the presence script writes them. Throws when it is not one of ours. */
export function readPresenceMessage(
  message: Buffer,
  visit: (change: PresenceChange) => void,
): void {
  let at = 1;
  const text = (length: number): string => {
    if (at + length > message.length) throw new RangeError("a change is cut short");
    at += length;
    return message.toString("utf8", at - length, at);
  };
  while (at < message.length) {
    const type = message.readUInt8(at++) === 1 ? "join" : "leave";
    const channel = text(message.readUInt8(at++));
    const connection = text(message.readUInt8(at++));
    at += 2;
    const user = JSON.parse(text(message.readUInt16BE(at - 2))) as string | null;
    visit({ type, channel, member: { connection, user } });
  }
}
