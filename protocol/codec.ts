import type { Frame } from "./frame.ts";

/** What one decoded frame looks like before its fields have been checked. */
export type RawFrame = readonly unknown[];

/**
 * One wire format. A WebSocket message is one frame or more: back to back in msgpack, one a line in
 * JSON [P-3.3]. Implementations hold no state between calls.
 */
export interface Codec<Message extends Uint8Array | string> {
  readonly format: "msgpack" | "json";

  /** Encodes one frame; the result stands alone and may be joined to others by `join`. */
  encode(frame: Frame): Message;

  /** Joins encoded frames to one WebSocket message. */
  join(frames: readonly Message[]): Message;

  /**
   * Splits a message into frames and hands each to `visit` in order.
   * @throws ProtocolError `bad_frame`, fatal, at the first frame that does not parse; those before it
   * have been visited.
   */
  decode(message: Message, visit: (frame: RawFrame) => void): void;
}
