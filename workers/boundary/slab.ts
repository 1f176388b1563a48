import { copyBytes } from "../../protocol/writer.ts";

/**
 * A batch of messages in one buffer. Numbers are 32-bit words in the machine's byte order: both ends are
 * on it. Records begin at multiples of 4.
 *
 *   batch    count | where the names begin | count of names | size of all
 *            record * count
 *            name * count of names
 *   record   channel (index of a name) | lane (index of a name, or -1) | meta bytes, or -1 | payload bytes
 *            meta | payload | padding
 *   name     bytes | UTF-8 | padding
 */
const BATCH_BYTES = 16;
const RECORD_BYTES = 16;
const DEFAULT_CAPACITY = 16 * 1024;

const utf8 = new TextEncoder();
const utf8Decoder = new TextDecoder();

/** The bytes are not a batch. */
export class SlabError extends Error {
  override readonly name = "SlabError";
}

function padded(size: number): number {
  return (size + 3) & ~3;
}

/** Collects one batch at a time; its buffer grows to what the largest one took and is used again. */
export class SlabWriter {
  /** What has been written so far; another array when it had to grow. */
  bytes: Uint8Array;
  readonly #isShared: boolean;
  #words: Int32Array;
  #end = BATCH_BYTES;
  #count = 0;
  /** Where each record begins. */
  #records = new Int32Array(256);
  readonly #names: string[] = [];
  readonly #nameIndexes = new Map<string, number>();
  #lastName: string | null = null;
  #lastIndex = -1;
  #payloadBytes = 0;

  /** @param options.shared puts the batch into memory that a thread can be given without a copy */
  constructor(options: { readonly shared?: boolean; readonly capacity?: number } = {}) {
    this.#isShared = options.shared ?? false;
    this.bytes = this.#allocate(
      padded(Math.max(BATCH_BYTES, options.capacity ?? DEFAULT_CAPACITY)),
    );
    this.#words = new Int32Array(this.bytes.buffer);
  }

  get count(): number {
    return this.#count;
  }

  /** Bytes of the payloads so far: what `limits.batchBytes` bounds. */
  get payloadBytes(): number {
    return this.#payloadBytes;
  }

  /** Bytes of all so far, without the names. */
  get size(): number {
    return this.#end;
  }

  /**
   * Copies `source[start, end)` in as the next message.
   * @param laneKey name of its lane, which is that of its state; null for none
   */
  append(
    channel: string,
    laneKey: string | null,
    meta: Uint8Array | null,
    source: Uint8Array,
    start: number,
    end: number,
  ): void {
    const metaLength = meta === null ? 0 : meta.length;
    const record = this.#end;
    const next = padded(record + RECORD_BYTES + metaLength + end - start);
    if (next > this.bytes.length) this.#grow(next);
    const words = this.#words;
    const word = record >>> 2;
    // The padding lies in the last word: nothing of an earlier batch stays in it.
    words[(next >>> 2) - 1] = 0;
    const name = this.#nameIndex(channel);
    words[word] = name;
    words[word + 1] = laneKey === null ? -1 : laneKey === channel ? name : this.#nameIndex(laneKey);
    words[word + 2] = meta === null ? -1 : metaLength;
    words[word + 3] = end - start;
    let at = record + RECORD_BYTES;
    if (meta !== null) at = copyBytes(this.bytes, at, meta, 0, metaLength);
    copyBytes(this.bytes, at, source, start, end);
    if (this.#count === this.#records.length) this.#growRecords();
    this.#records[this.#count++] = record;
    this.#payloadBytes += end - start;
    this.#end = next;
  }

  /**
   * Completes the batch. What is returned is a view of the writer's own memory, good until `reset`: hand a
   * `slice()` of it to what copies or transfers whole buffers.
   */
  finish(): Uint8Array {
    let at = this.#end;
    for (const name of this.#names) {
      const room = padded(at + 4 + name.length * 3);
      if (room > this.bytes.length) this.#grow(room);
      const { written } = utf8.encodeInto(name, this.bytes.subarray(at + 4));
      const end = padded(at + 4 + written);
      this.bytes.fill(0, at + 4 + written, end);
      this.#words[at >>> 2] = written;
      at = end;
    }
    const words = this.#words;
    words[0] = this.#count;
    words[1] = this.#end;
    words[2] = this.#names.length;
    words[3] = at;
    return this.bytes.subarray(0, at);
  }

  /** Begins the next batch in the same memory. */
  reset(): void {
    this.#end = BATCH_BYTES;
    this.#count = 0;
    this.#payloadBytes = 0;
    this.#names.length = 0;
    this.#nameIndexes.clear();
    this.#lastName = null;
  }

  /** The payload of a message is `bytes[payloadStart, payloadEnd)`. */
  payloadStart(index: number): number {
    const record = this.#record(index);
    return record + RECORD_BYTES + Math.max(0, this.#words[(record >>> 2) + 2] as number);
  }

  payloadEnd(index: number): number {
    const word = this.#record(index) >>> 2;
    return this.payloadStart(index) + (this.#words[word + 3] as number);
  }

  /** Encoded meta of a message, a view; null for none. */
  meta(index: number): Uint8Array | null {
    const record = this.#record(index);
    const length = this.#words[(record >>> 2) + 2] as number;
    if (length < 0) return null;
    return this.bytes.subarray(record + RECORD_BYTES, record + RECORD_BYTES + length);
  }

  #record(index: number): number {
    if (index < 0 || index >= this.#count) throw new RangeError(`no message ${index} in the batch`);
    return this.#records[index] as number;
  }

  #nameIndex(name: string): number {
    if (name === this.#lastName) return this.#lastIndex;
    let index = this.#nameIndexes.get(name);
    if (index === undefined) {
      index = this.#names.push(name) - 1;
      this.#nameIndexes.set(name, index);
    }
    this.#lastName = name;
    this.#lastIndex = index;
    return index;
  }

  #grow(atLeast: number): void {
    const grown = this.#allocate(padded(Math.max(atLeast, this.bytes.length * 2)));
    grown.set(this.bytes);
    this.bytes = grown;
    this.#words = new Int32Array(grown.buffer);
  }

  #growRecords(): void {
    const grown = new Int32Array(this.#records.length * 2);
    grown.set(this.#records);
    this.#records = grown;
  }

  #allocate(size: number): Uint8Array {
    return new Uint8Array(this.#isShared ? new SharedArrayBuffer(size) : new ArrayBuffer(size));
  }
}

/** Reads a batch where it lies; one instance is used again. */
export class SlabReader {
  bytes: Uint8Array = new Uint8Array(0);
  count = 0;
  /** Of each message: indexes of `names` (lane -1 for none), and ranges in `bytes` (meta from -1 for none). */
  channels = new Int32Array(0);
  lanes = new Int32Array(0);
  metaStarts = new Int32Array(0);
  payloadStarts = new Int32Array(0);
  payloadEnds = new Int32Array(0);
  names: readonly string[] = [];

  /** @throws SlabError */
  open(slab: Uint8Array): void {
    // Words need an even place: a slab inside of a larger frame may begin anywhere.
    const bytes = slab.byteOffset % 4 === 0 ? slab : new Uint8Array(slab);
    if (bytes.length < BATCH_BYTES) throw new SlabError("the batch is cut short");
    const words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length >>> 2);
    const count = words[0] as number;
    const namesStart = words[1] as number;
    const size = words[3] as number;
    if (
      size !== bytes.length ||
      namesStart < BATCH_BYTES ||
      namesStart > size ||
      namesStart % 4 !== 0 ||
      count < 0 ||
      count > namesStart / RECORD_BYTES
    ) {
      throw new SlabError("the batch's head does not fit its size");
    }
    this.bytes = bytes;
    this.count = count;
    if (this.channels.length < count) this.#room(count);
    this.names = readNames(bytes, words, namesStart, words[2] as number);
    this.#readRecords(words, namesStart);
  }

  #readRecords(words: Int32Array, end: number): void {
    const nameCount = this.names.length;
    let at = BATCH_BYTES;
    for (let i = 0; i < this.count; i++) {
      if (at + RECORD_BYTES > end) throw new SlabError(`message ${i} is cut short`);
      const word = at >>> 2;
      const channel = words[word] as number;
      const lane = words[word + 1] as number;
      const metaLength = words[word + 2] as number;
      const payloadLength = words[word + 3] as number;
      const start = at + RECORD_BYTES + (metaLength > 0 ? metaLength : 0);
      if (
        channel < 0 ||
        channel >= nameCount ||
        lane < -1 ||
        lane >= nameCount ||
        metaLength < -1 ||
        payloadLength < 0 ||
        start + payloadLength > end
      ) {
        throw new SlabError(`message ${i} does not fit the batch`);
      }
      this.channels[i] = channel;
      this.lanes[i] = lane;
      this.metaStarts[i] = metaLength < 0 ? -1 : at + RECORD_BYTES;
      this.payloadStarts[i] = start;
      this.payloadEnds[i] = start + payloadLength;
      at = padded(start + payloadLength);
    }
    if (at !== end) throw new SlabError("bytes are left over behind the messages");
  }

  #room(count: number): void {
    this.channels = new Int32Array(count);
    this.lanes = new Int32Array(count);
    this.metaStarts = new Int32Array(count);
    this.payloadStarts = new Int32Array(count);
    this.payloadEnds = new Int32Array(count);
  }
}

function readNames(bytes: Uint8Array, words: Int32Array, start: number, count: number): string[] {
  const names: string[] = [];
  let at = start;
  for (let i = 0; i < count; i++) {
    const length = at + 4 <= bytes.length ? (words[at >>> 2] as number) : -1;
    if (length < 0 || at + 4 + length > bytes.length) throw new SlabError("a name is cut short");
    names.push(utf8Decoder.decode(bytes.subarray(at + 4, at + 4 + length)));
    at = padded(at + 4 + length);
  }
  if (at !== bytes.length) throw new SlabError("bytes are left over behind the names");
  return names;
}
