import type { Connection } from "./connection.ts";
import { stampSequence } from "./payload.ts";
import { clientHeaderSize, writeClientHeader, WsOpcode } from "./ws-frame.ts";

export interface PublisherOptions {
  /** One publication as this server takes it, with the payload last. */
  readonly frame: Uint8Array;
  readonly payloadBytes: number;
  /** Frames in one WebSocket message. */
  readonly framesPerMessage: number;
  /** Messages in one write; more are sent in several. */
  readonly maxMessages: number;
}

/**
 * Sends publications from a buffer that was laid out once: only the sequences are new each time.
 *
 *   | ws header | frame 1 .. frame n | ws header | frame n+1 .. frame 2n | ...  maxMessages times
 */
export class Publisher {
  readonly #connection: Connection;
  readonly #options: PublisherOptions;
  readonly #buffer: Uint8Array;
  readonly #headerBytes: number;
  readonly #messageBytes: number;
  #sent = 0;

  constructor(connection: Connection, options: PublisherOptions) {
    const { frame, framesPerMessage, maxMessages } = options;
    const bodyBytes = frame.length * framesPerMessage;
    this.#connection = connection;
    this.#options = options;
    this.#headerBytes = clientHeaderSize(bodyBytes);
    this.#messageBytes = this.#headerBytes + bodyBytes;
    this.#buffer = new Uint8Array(this.#messageBytes * maxMessages);
    for (let message = 0; message < maxMessages; message++) {
      let at = message * this.#messageBytes;
      at = writeClientHeader(this.#buffer, at, WsOpcode.binary, bodyBytes);
      for (let i = 0; i < framesPerMessage; i++) this.#buffer.set(frame, at + i * frame.length);
    }
  }

  /** Publications sent so far: also the sequence of the newest. */
  get sent(): number {
    return this.#sent;
  }

  /** Sends as many WebSocket messages as asked, each of `framesPerMessage` publications. */
  publish(messages: number): void {
    const { maxMessages } = this.#options;
    for (let left = messages; left > 0; left -= maxMessages) {
      const count = Math.min(left, maxMessages);
      this.#stamp(count);
      this.#connection.write(this.#buffer.subarray(0, count * this.#messageBytes));
    }
  }

  #stamp(messages: number): void {
    const { frame, payloadBytes, framesPerMessage } = this.#options;
    const payloadAt = this.#headerBytes + frame.length - payloadBytes;
    for (let message = 0; message < messages; message++) {
      const at = message * this.#messageBytes + payloadAt;
      for (let i = 0; i < framesPerMessage; i++) {
        stampSequence(this.#buffer, at + i * frame.length, payloadBytes, ++this.#sent);
      }
    }
  }
}
