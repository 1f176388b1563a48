import { SendStatus } from "../../broker/sessions/socket.ts";
import type { Socket } from "../../broker/sessions/socket.ts";
import type { CodeInfo } from "../../protocol/codes.ts";

/**
 * A socket whose other end a test holds. Like a real one it takes one message beyond what fits, says
 * `queued`, and must then be left alone until it is writable again.
 */
export class PlainSocket implements Socket {
  /** What was taken, in order; binary messages as copies made at the call. */
  readonly taken: (Uint8Array | string)[] = [];
  /** Codes it was closed with. */
  readonly closes: { readonly code: number; readonly reason: string }[] = [];
  pingCount = 0;
  /** Messages that fit before one does not. */
  room = Infinity;
  /** It says `queued` and waits for `becomeWritable`. */
  isFull = false;
  /** The peer is gone: nothing is taken. */
  isGone = false;
  readonly #onClose: (code: number) => void;

  /** @param onClose is called while `close` runs, as a real socket's close handler is */
  constructor(onClose: (code: number) => void = () => {}) {
    this.#onClose = onClose;
  }

  sendBytes(bytes: Uint8Array): SendStatus {
    if (bytes.length === 0) throw new Error("an empty message cannot be told from a dropped one");
    // Not bytes.slice(): of a Buffer that would be a view.
    return this.#take(new Uint8Array(bytes));
  }

  sendText(text: string): SendStatus {
    if (text === "") throw new Error("an empty message cannot be told from a dropped one");
    return this.#take(text);
  }

  #take(message: Uint8Array | string): SendStatus {
    if (this.isFull) throw new Error("handed a message while it was full");
    if (this.isGone) return SendStatus.dropped;
    this.taken.push(message);
    if (this.room-- > 0) return SendStatus.sent;
    this.room = Infinity;
    this.isFull = true;
    return SendStatus.queued;
  }

  /** What it held has left; the caller tells the outbound. */
  becomeWritable(): void {
    this.isFull = false;
  }

  close(info: CodeInfo, reason: string): void {
    if (this.isGone) return;
    this.closes.push({ code: info.code, reason });
    this.isGone = true;
    this.#onClose(info.code);
  }

  ping(): void {
    this.pingCount++;
  }

  bufferedBytes(): number {
    return this.isFull ? 1 : 0;
  }
}
