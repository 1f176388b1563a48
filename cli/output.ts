const FIRST_BYTES = 16 * 1024;
/** A buffer that grew beyond this for one burst is not kept for the next. */
const MAX_KEPT_BYTES = 1024 * 1024;
const NEWLINE = 0x0a;

/**
 * Standard output of a command. Writes are copied and queued, and those of one turn of the event loop leave
 * together; how much waits is for the caller to look at, because only it can stop its source.
 *
 * A reader that has had enough (`| head`) closes the pipe. That is no failure: it ends the process quietly.
 */
export class Output {
  #buffer = new Uint8Array(FIRST_BYTES);
  #used = 0;
  /** The buffer that is being written while the other is filled; null while nothing is. */
  #spare: Uint8Array<ArrayBuffer> | null = new Uint8Array(FIRST_BYTES);
  #writingBytes = 0;
  #isScheduled = false;
  #onDrained: (() => void)[] = [];

  constructor() {
    // The stream reports a failed write here as well, and without a listener that would be uncaught.
    if (!process.stdout.listeners("error").includes(endQuietly)) {
      process.stdout.on("error", endQuietly);
    }
  }

  /** Bytes not yet taken by whoever reads. */
  get queuedBytes(): number {
    return this.#used + this.#writingBytes;
  }

  write(bytes: Uint8Array): void {
    // In this order: reserving may replace the buffer.
    const at = this.#reserve(bytes.length);
    this.#buffer.set(bytes, at);
  }

  /** The bytes and a line end. */
  writeLine(bytes: Uint8Array): void {
    const at = this.#reserve(bytes.length + 1);
    this.#buffer.set(bytes, at);
    this.#buffer[at + bytes.length] = NEWLINE;
  }

  print(text: string): void {
    this.write(Buffer.from(text));
  }

  /** Resolves when everything has been taken. */
  drained(): Promise<void> {
    if (this.queuedBytes === 0) return Promise.resolve();
    return new Promise((resolve) => this.#onDrained.push(resolve));
  }

  /** Makes room and returns where it begins. */
  #reserve(size: number): number {
    const start = this.#used;
    if (start + size > this.#buffer.length) {
      const larger = new Uint8Array(Math.max(start + size, this.#buffer.length * 2));
      larger.set(this.#buffer.subarray(0, start));
      this.#buffer = larger;
    }
    this.#used = start + size;
    if (this.#writingBytes === 0 && !this.#isScheduled) {
      this.#isScheduled = true;
      setImmediate(() => {
        this.#isScheduled = false;
        this.#flush();
      });
    }
    return start;
  }

  #flush(): void {
    const writing = this.#buffer;
    this.#writingBytes = this.#used;
    this.#buffer = this.#spare ?? new Uint8Array(FIRST_BYTES);
    this.#used = 0;
    process.stdout.write(writing.subarray(0, this.#writingBytes), (error) => {
      if (error != null) return endQuietly(error);
      this.#spare = writing.length > MAX_KEPT_BYTES ? null : writing;
      this.#writingBytes = 0;
      if (this.#used > 0) this.#flush();
      else for (const resolve of this.#onDrained.splice(0)) resolve();
    });
  }
}

/** Writes a text to standard output and resolves when it has been taken. */
export async function print(text: string): Promise<void> {
  const output = new Output();
  output.print(text);
  await output.drained();
}

/** A sentence for people, on standard error. */
export function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** Ends the process when the reader of its output has gone; other errors are real. */
function endQuietly(error: Error & { code?: string }): void {
  if (error.code === "EPIPE") process.exit(0);
  say(`tickwire: standard output: ${error.message}`);
  process.exit(1);
}
