import type { CodeInfo } from "../../protocol/codes.ts";

/** What became of bytes handed to a socket. */
export const SendStatus = {
  /** In the kernel, or on its way there. */
  sent: 1,
  /** Held in user space: the peer reads too slowly. Hand over no more until it is writable. */
  queued: -1,
  /** Not taken at all: the socket is closed. */
  dropped: 0,
} as const;

export type SendStatus = (typeof SendStatus)[keyof typeof SendStatus];

/** The one socket of a session, as the rest of the broker sees it; server.ts makes it. */
export interface Socket {
  /** Sends one message; `bytes` is copied before this returns. Never called with no bytes. */
  sendBytes(bytes: Uint8Array): SendStatus;
  sendText(text: string): SendStatus;
  /** Closes with a code and its text; the close handler follows. */
  close(info: CodeInfo, reason: string): void;
  /** Asks for a sign of life (an RFC 6455 ping). */
  ping(): void;
  /** Bytes taken but not yet in the kernel. */
  bufferedBytes(): number;
}
