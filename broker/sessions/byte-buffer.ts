/** Bytes that grow as they are written to, and are used again once sent. */
export class ByteBuffer {
  bytes: Uint8Array;
  length = 0;
  readonly #keepBytes: number;

  /** @param keepBytes a buffer that grew beyond this is given back when it is reset */
  constructor(size = 256, keepBytes = 64 * 1024) {
    this.bytes = new Uint8Array(size);
    this.#keepBytes = keepBytes;
  }

  /** Makes room for `size` more bytes; `bytes` may be another array afterwards. */
  reserve(size: number): void {
    const needed = this.length + size;
    if (needed <= this.bytes.length) return;
    const grown = new Uint8Array(Math.max(needed, this.bytes.length * 2));
    grown.set(this.bytes.subarray(0, this.length));
    this.bytes = grown;
  }

  append(source: Uint8Array): void {
    this.reserve(source.length);
    this.bytes.set(source, this.length);
    this.length += source.length;
  }

  /** What was written; only valid until the next write or reset. */
  view(): Uint8Array {
    return this.bytes.subarray(0, this.length);
  }

  reset(): void {
    this.length = 0;
    if (this.bytes.length > this.#keepBytes) this.bytes = new Uint8Array(256);
  }
}
