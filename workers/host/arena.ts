import { copyBytes } from "../../protocol/writer.ts";

const CHUNK_BYTES = 128 * 1024;
/** Larger payloads get memory of their own. */
const LARGE_BYTES = CHUNK_BYTES / 4;
const MAX_SPARE_CHUNKS = 8;

/** Memory that payloads lie in, one behind the other, until the last of them is settled. */
export interface Chunk {
  readonly bytes: Uint8Array;
  used: number;
  live: number;
}

function newChunk(size: number): Chunk {
  return { bytes: new Uint8Array(size), used: 0, live: 0 };
}

/**
 * Keeps the bytes of publications from submit to settlement. They are copied here once, a worker gets copies of
 * them, and what passes is published from here: a worker that dies takes nothing with it.
 */
export class Arena {
  #open: Chunk = newChunk(CHUNK_BYTES);
  readonly #spare: Chunk[] = [];
  #heldBytes = 0;

  /** Payload bytes that are held. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** Copies `source[start, end)` in, behind what the chunk it returns has used up to then. */
  take(source: Uint8Array, start: number, end: number): Chunk {
    const size = end - start;
    this.#heldBytes += size;
    const chunk = size > LARGE_BYTES ? newChunk(size) : this.#room(size);
    chunk.used = copyBytes(chunk.bytes, chunk.used, source, start, end);
    chunk.live++;
    return chunk;
  }

  give(chunk: Chunk, size: number): void {
    this.#heldBytes -= size;
    if (--chunk.live > 0 || chunk.bytes.length !== CHUNK_BYTES) return;
    if (chunk === this.#open) chunk.used = 0;
    else if (this.#spare.length < MAX_SPARE_CHUNKS) {
      chunk.used = 0;
      this.#spare.push(chunk);
    }
  }

  #room(size: number): Chunk {
    if (this.#open.used + size > CHUNK_BYTES) {
      this.#open = this.#spare.pop() ?? newChunk(CHUNK_BYTES);
    }
    return this.#open;
  }
}
