const NEWLINE = 0x0a;
const NOTHING = new Uint8Array(0);

/** A line went on beyond what any broker takes. */
export class LineTooLong extends Error {
  override readonly name = "LineTooLong";
}

/**
 * Cuts a stream of bytes into lines, without their "\n". Everything else is part of the line, "\r" included,
 * and so is what follows the last "\n". Lines are views of the chunks they came in.
 */
export class LineSplitter {
  readonly #maxLineBytes: number;
  /** Pieces of a line that has not ended. */
  #pieces: Uint8Array[] = [];
  #pieceBytes = 0;

  constructor(maxLineBytes: number) {
    this.#maxLineBytes = maxLineBytes;
  }

  /** The lines this chunk ends. @throws LineTooLong, after which nothing more can be read */
  *push(chunk: Uint8Array): Generator<Uint8Array> {
    let start = 0;
    let end = chunk.indexOf(NEWLINE);
    while (end >= 0) {
      yield this.#line(chunk.subarray(start, end));
      start = end + 1;
      end = chunk.indexOf(NEWLINE, start);
    }
    if (start < chunk.length) this.#keep(chunk.subarray(start));
  }

  /** The last line when it has no line end; null when there is none. */
  end(): Uint8Array | null {
    return this.#pieceBytes === 0 ? null : this.#line(NOTHING);
  }

  #line(last: Uint8Array): Uint8Array {
    if (this.#pieceBytes === 0) return last;
    this.#keep(last);
    const line = Buffer.concat(this.#pieces);
    this.#pieces = [];
    this.#pieceBytes = 0;
    return line;
  }

  #keep(piece: Uint8Array): void {
    this.#pieces.push(piece);
    this.#pieceBytes += piece.length;
    if (this.#pieceBytes > this.#maxLineBytes) {
      throw new LineTooLong(`longer than ${this.#maxLineBytes} bytes`);
    }
  }
}
