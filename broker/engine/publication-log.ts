import { publicationSize, writePublication } from "../../protocol/messages/publication.ts";
import { copyBytes } from "../../protocol/writer.ts";

/** Chunks grow from the first size to the last, so that a quiet channel costs little. */
const FIRST_CHUNK_BYTES = 512;
const LAST_CHUNK_BYTES = 128 * 1024;

/** A chunk is made for as many publications as are kept, within these bounds: see `#nextChunkBytes`. */
const MIN_CHUNK_ENTRIES = 16;

/** Consecutive encoded publications of one stream, back to back as they go over the wire. */
class Chunk {
  readonly bytes: Uint8Array;
  /** Offset of the first publication in it. */
  firstOffset: number;
  /** Where the written part ends. */
  end = 0;
  /** Where each publication starts, and when it was appended (clock ms). */
  readonly starts: number[] = [];
  readonly timesMs: number[] = [];
  /** Somebody holds on to a slice of it: it must not be written to again. */
  isHeld = false;

  constructor(size: number, firstOffset: number) {
    this.bytes = new Uint8Array(size);
    this.firstOffset = firstOffset;
  }

  get lastOffset(): number {
    return this.firstOffset + this.starts.length - 1;
  }

  rewind(firstOffset: number): void {
    this.firstOffset = firstOffset;
    this.end = 0;
    this.starts.length = 0;
    this.timesMs.length = 0;
  }

  startOf(offset: number): number {
    return this.starts[offset - this.firstOffset] ?? this.end;
  }
}

/** A run of encoded publications inside the log; only valid until the next append unless it is held. */
export interface LogSlice {
  readonly bytes: Uint8Array;
  readonly firstOffset: number;
  readonly count: number;
}

/**
 * One stream's publications on this node, each encoded once. Fan-out sends slices of it, history and
 * recovery read it.
 *
 *   chunk 1                      chunk 2 (written to)
 *   [pub 5][pub 6][pub 7]        [pub 8][pub 9][pub 10]·········
 *         ^ firstOffset: older ones are          ^ pending: appended, not yet taken
 *           past the history bound                 for fan-out
 *
 * A chunk that has gone out of history is written to again, so that a busy channel allocates nothing,
 * unless a slice of it is held (`hold`, `read`): then the garbage collector gets it. Without history
 * there is one chunk, rewound after each `takePending`.
 */
export class PublicationLog {
  readonly #channelId: number;
  readonly #historySize: number;
  readonly #historyTtlMs: number;
  #chunks: Chunk[] = [];
  /** The last of the chunks, which is written to. */
  #tail: Chunk | null = null;
  /** One chunk that went out of history and may be written to again. */
  #spare: Chunk | null = null;
  #offset: number;
  #pendingStart = 0;
  #pendingCount = 0;
  /** Payload and framing bytes held. */
  #heldBytes = 0;

  constructor(channelId: number, offset: number, historySize: number, historyTtlMs: number) {
    this.#channelId = channelId;
    this.#offset = offset;
    this.#historySize = historySize;
    this.#historyTtlMs = historyTtlMs;
  }

  /** Offset of the newest publication; 0 when there has been none. */
  get offset(): number {
    return this.#offset;
  }

  get pendingCount(): number {
    return this.#pendingCount;
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  /**
   * Whether what is pending must be taken before a publication of this size is appended: pending ones
   * always lie in one run, and a run is no longer than the largest chunk.
   */
  mustTakeBefore(payloadBytes: number, metaBytes: number): boolean {
    const tail = this.#tail;
    if (this.#pendingCount === 0 || tail === null) return false;
    if (this.#fits(tail, payloadBytes, metaBytes)) return false;
    const size = publicationSize(this.#channelId, this.#offset + 1, payloadBytes, metaBytes);
    return tail.end - this.#pendingStart + size > LAST_CHUNK_BYTES;
  }

  #fits(chunk: Chunk, payloadBytes: number, metaBytes: number): boolean {
    const size = publicationSize(this.#channelId, this.#offset + 1, payloadBytes, metaBytes);
    return chunk.end + size <= chunk.bytes.length;
  }

  /** Appends the publication whose payload is `source[start, end)` and returns its offset. */
  append(
    source: Uint8Array,
    start: number,
    end: number,
    meta: Uint8Array | null,
    nowMs: number,
  ): number {
    const metaBytes = meta === null ? 0 : meta.length;
    let chunk = this.#tail;
    if (chunk === null || !this.#fits(chunk, end - start, metaBytes)) {
      chunk = this.#roll(end - start, metaBytes, nowMs);
    }
    const offset = ++this.#offset;
    const from = chunk.end;
    chunk.starts.push(from);
    chunk.timesMs.push(nowMs);
    const to = writePublication(
      chunk.bytes,
      from,
      this.#channelId,
      offset,
      source,
      start,
      end,
      meta,
    );
    chunk.end = to;
    this.#heldBytes += to - from;
    if (this.#pendingCount++ === 0) this.#pendingStart = from;
    return offset;
  }

  #roll(payloadBytes: number, metaBytes: number, nowMs: number): Chunk {
    const last = this.#tail;
    const pendingBytes =
      last === null || this.#pendingCount === 0 ? 0 : last.end - this.#pendingStart;
    const needed =
      pendingBytes + publicationSize(this.#channelId, this.#offset + 1, payloadBytes, metaBytes);
    const size = Math.max(needed, this.#nextChunkBytes());
    if (this.#historySize > 0) this.trim(nowMs);
    let chunk = this.#spare;
    this.#spare = null;
    const firstOffset = this.#offset - this.#pendingCount + 1;
    if (chunk === null || chunk.bytes.length < size) chunk = new Chunk(size, firstOffset);
    else chunk.rewind(firstOffset);
    if (last !== null && this.#pendingCount > 0) this.#movePending(last, chunk);
    if (this.#historySize === 0) this.#chunks.length = 0;
    this.#chunks.push(chunk);
    this.#tail = chunk;
    return chunk;
  }

  /**
   * Pending publications go on in the new chunk, so that they still leave as one message: a tick split in two
   * writes makes a publisher that waits for its deliveries come in two parts from then on.
   */
  #movePending(from: Chunk, to: Chunk): void {
    const first = from.starts.length - this.#pendingCount;
    for (let i = first; i < from.starts.length; i++) {
      to.starts.push((from.starts[i] as number) - this.#pendingStart);
      to.timesMs.push(from.timesMs[i] as number);
    }
    to.end = copyBytes(to.bytes, 0, from.bytes, this.#pendingStart, from.end);
    from.end = this.#pendingStart;
    from.starts.length = first;
    from.timesMs.length = first;
    this.#pendingStart = 0;
    if (first === 0) this.#chunks.splice(this.#chunks.indexOf(from), 1);
  }

  /**
   * Room for about as many publications as are kept: chunks are let go of whole, so at most twice the
   * history is held. A channel without history gets what one tick may bring.
   */
  #nextChunkBytes(): number {
    const tail = this.#tail;
    if (tail === null) return FIRST_CHUNK_BYTES;
    const meanBytes = tail.end / Math.max(1, tail.starts.length);
    const entries = Math.max(MIN_CHUNK_ENTRIES, this.#historySize);
    const wanted = this.#historySize === 0 ? LAST_CHUNK_BYTES : Math.ceil(meanBytes * entries);
    return Math.min(wanted, tail.bytes.length * 4, LAST_CHUNK_BYTES);
  }

  /** Takes what was appended since the last call, as one run; null when there is nothing. */
  takePending(): LogSlice | null {
    const count = this.#pendingCount;
    const chunk = this.#tail;
    if (count === 0 || chunk === null) return null;
    const bytes = chunk.bytes.subarray(this.#pendingStart, chunk.end);
    this.#pendingCount = 0;
    if (this.#historySize === 0) {
      // The slice is read before anything can be appended over it.
      chunk.rewind(this.#offset + 1);
      this.#heldBytes = 0;
    }
    return { bytes, firstOffset: this.#offset - count + 1, count };
  }

  /** The bytes of a slice in memory that will not change, for as long as somebody refers to them. */
  hold(slice: LogSlice): Uint8Array {
    if (this.#historySize === 0) return slice.bytes.slice();
    for (let i = this.#chunks.length - 1; i >= 0; i--) {
      const chunk = this.#chunks[i] as Chunk;
      if (chunk.firstOffset <= slice.firstOffset) {
        chunk.isHeld = true;
        return slice.bytes;
      }
    }
    return slice.bytes.slice();
  }

  /** Lets go of chunks whose publications are all past the bounds. */
  trim(nowMs: number): void {
    const first = this.firstOffset(nowMs);
    let drop = 0;
    while (drop < this.#chunks.length) {
      const chunk = this.#chunks[drop] as Chunk;
      const isPending = chunk === this.#tail && this.#pendingCount > 0;
      if (isPending || chunk.starts.length === 0 || chunk.lastOffset >= first) break;
      this.#heldBytes -= chunk.end;
      if (chunk === this.#tail) this.#tail = null;
      if (!chunk.isHeld) this.#spare = chunk;
      drop++;
    }
    if (drop > 0) this.#chunks.splice(0, drop);
    if (this.#chunks.length === 0) this.#spare = null;
  }

  /** Forgets every kept publication; the offset goes on counting. */
  clear(): void {
    this.#chunks = [];
    this.#tail = null;
    this.#spare = null;
    this.#heldBytes = 0;
    this.#pendingCount = 0;
  }

  /** Offset of the oldest publication that may still be given out; `offset + 1` when there is none. */
  firstOffset(nowMs: number): number {
    if (this.#historySize === 0) return this.#offset + 1;
    const bySize = Math.max(1, this.#offset - this.#historySize + 1);
    const oldestMs = nowMs - this.#historyTtlMs;
    for (const chunk of this.#chunks) {
      if (chunk.lastOffset < bySize || (chunk.timesMs.at(-1) ?? 0) < oldestMs) continue;
      const from = Math.max(bySize, chunk.firstOffset);
      for (let offset = from; offset <= chunk.lastOffset; offset++) {
        if ((chunk.timesMs[offset - chunk.firstOffset] as number) >= oldestMs) return offset;
      }
    }
    return this.#offset + 1;
  }

  /**
   * The encoded publications from `offset` on, at most `limit`, oldest first, in as few runs as there are
   * chunks. They may be held on to.
   */
  read(offset: number, limit: number): LogSlice[] {
    const slices: LogSlice[] = [];
    let next = offset;
    let left = limit;
    for (const chunk of this.#chunks) {
      if (left <= 0) break;
      if (chunk.starts.length === 0 || chunk.lastOffset < next) continue;
      const from = Math.max(next, chunk.firstOffset);
      const to = Math.min(chunk.lastOffset, from + left - 1);
      chunk.isHeld = true;
      slices.push({
        bytes: chunk.bytes.subarray(chunk.startOf(from), chunk.startOf(to + 1)),
        firstOffset: from,
        count: to - from + 1,
      });
      left -= to - from + 1;
      next = to + 1;
    }
    return slices;
  }
}
