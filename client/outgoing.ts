import { publishSize, writePublish } from "../protocol/messages/publish.ts";

const FIRST_BYTES = 4096;
/** A buffer that grew beyond this for one burst is not kept for the next. */
const MAX_KEPT_BYTES = 1 << 20;

/**
 * Collects the frames of one tick into one WebSocket message. The message leaves in a microtask, that is,
 * after the code that is running and before the runtime does anything else; or at once when the next frame
 * would make it larger than the broker accepts. A macrotask gathers no more from loops that await their answers
 * (64 frames a message with 64 in flight, both ways; Bun 1.4.5, 2026-11-22), and timers of pages are late.
 */
export class Outgoing {
  readonly #send: (message: Uint8Array<ArrayBuffer>) => void;
  #buffer = new Uint8Array(FIRST_BYTES);
  #used = 0;
  #isScheduled = false;
  /** Largest message the broker takes, bytes. */
  maxMessageBytes = Infinity;

  /** `send` gets every message as bytes of its own. */
  constructor(send: (message: Uint8Array<ArrayBuffer>) => void) {
    this.#send = send;
  }

  /** Bytes that wait for the end of the tick. */
  get size(): number {
    return this.#used;
  }

  /** Appends a whole frame. */
  frame(frame: Uint8Array): void {
    // In this order: reserving may replace the buffer.
    const at = this.#reserve(frame.length);
    this.#buffer.set(frame, at);
  }

  /** Appends a plain publish, written by hand [P-6.4]. The channel is a valid name, so it is ASCII. */
  publish(id: number, channel: string, payload: Uint8Array): void {
    const at = this.#reserve(publishSize(id, channel, payload.length));
    writePublish(this.#buffer, at, id, channel, payload);
  }

  /** Sends what is there without waiting for the end of the tick. */
  flush(): void {
    if (this.#used === 0) return;
    // A copy: not every WebSocket class has done with the bytes when its send returns.
    const message = this.#buffer.slice(0, this.#used);
    this.#used = 0;
    if (this.#buffer.length > MAX_KEPT_BYTES) this.#buffer = new Uint8Array(FIRST_BYTES);
    this.#send(message);
  }

  /** Forgets what has not left: the connection it was meant for is gone. */
  clear(): void {
    this.#used = 0;
  }

  /** Makes room for a frame and returns where it goes. */
  #reserve(size: number): number {
    if (this.#used > 0 && this.#used + size > this.maxMessageBytes) this.flush();
    const start = this.#used;
    if (start + size > this.#buffer.length) {
      const larger = new Uint8Array(Math.max(start + size, this.#buffer.length * 2));
      larger.set(this.#buffer.subarray(0, start));
      this.#buffer = larger;
    }
    this.#used = start + size;
    if (!this.#isScheduled) {
      this.#isScheduled = true;
      queueMicrotask(() => {
        this.#isScheduled = false;
        this.flush();
      });
    }
    return start;
  }
}
