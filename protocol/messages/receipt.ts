import type { RawFrame } from "../codec.ts";
import { uintField } from "../fields.ts";
import type { Frame } from "../frame.ts";
import { Op } from "../op.ts";

/**
 * [10, channelId, offset, receivedAtMs, uncertaintyMs | nil]
 * a client tells when a publication reached it; no reply [P-6.10]
 */
export interface ReceiptCommand {
  readonly type: "receipt";
  readonly id: 0;
  readonly channelId: number;
  readonly offset: number;
  /** On the broker's clock, as the client estimates it from ping and pong, ms since 1970. */
  readonly receivedAtMs: number;
  /** By how much that may be wrong, ms; null when the client does not know. */
  readonly uncertaintyMs: number | null;
}

export function encodeReceipt(command: Omit<ReceiptCommand, "type" | "id">): Frame {
  const { channelId, offset, receivedAtMs, uncertaintyMs } = command;
  if (uncertaintyMs === null) return [Op.receipt, channelId, offset, receivedAtMs];
  return [Op.receipt, channelId, offset, receivedAtMs, uncertaintyMs];
}

export function decodeReceipt(frame: RawFrame): ReceiptCommand {
  return {
    type: "receipt",
    id: 0,
    channelId: uintField(frame[1], "channelId"),
    offset: uintField(frame[2], "offset"),
    receivedAtMs: uintField(frame[3], "receivedAtMs"),
    uncertaintyMs:
      frame[4] === undefined || frame[4] === null ? null : uintField(frame[4], "uncertaintyMs"),
  };
}
