import { msgpackEnd } from "../../protocol/msgpack-end.ts";
import type { MsgpackRules } from "../../protocol/msgpack-end.ts";

const MAX_DEPTH = 64;

/**
 * Walks one msgpack value in front of the decoder, which by itself takes extensions that make objects of its own
 * kinds. Allowed is all of plain msgpack and the timestamp.
 * @throws SyntaxError
 */
export function checkMsgpack(bytes: Uint8Array, start: number, end: number): void {
  const at = msgpackEnd(bytes, start, end, MAX_DEPTH, valueRules);
  if (at !== end) throw new SyntaxError("bytes are left over behind the msgpack value");
}

const valueRules: MsgpackRules = {
  what: "the msgpack value",
  error: (message) => new SyntaxError(message),
  refusal: "is not taken",
  hasShortKeys: false,
  hasTimestamps: true,
};
