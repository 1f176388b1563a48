import type { RawFrame } from "../codec.ts";
import type { CodeInfo } from "../codes.ts";
import { optionalStringField, stringField, uintField } from "../fields.ts";
import type { Frame, FrameValue } from "../frame.ts";
import { MAX_REQUEST_ID } from "../limits.ts";
import { Op } from "../op.ts";

/** [33, id, result]  a command succeeded; what the result holds depends on the command [P-3.6] */
export interface OkReply {
  readonly type: "ok";
  readonly id: number;
  /** Not yet checked: decode it with the result decoder of the command that had this id. */
  readonly result: unknown;
}

export function encodeOk(id: number, result: FrameValue): Frame {
  return [Op.ok, id, result];
}

export function decodeOk(frame: RawFrame): OkReply {
  return { type: "ok", id: uintField(frame[1], "id", MAX_REQUEST_ID), result: frame[2] ?? null };
}

/**
 * [34, id, code, name, message, retryAfterMs | nil]  a command failed [P-8.1]
 * id is 0 when the command had none or it could not be read.
 */
export interface ErrorReply {
  readonly type: "error";
  readonly id: number;
  readonly code: number;
  readonly name: string;
  readonly message: string;
  readonly retryAfterMs: number | null;
}

export function encodeError(
  id: number,
  info: CodeInfo,
  message = info.text,
  retryAfterMs: number | null = null,
): Frame {
  return [Op.error, id, info.code, info.name, message, retryAfterMs];
}

export function decodeError(frame: RawFrame): ErrorReply {
  const retryAfterMs = frame[5];
  return {
    type: "error",
    id: uintField(frame[1], "id", MAX_REQUEST_ID),
    code: uintField(frame[2], "code", 0xffff),
    name: stringField(frame[3], "name", 64),
    message: optionalStringField(frame[4], "message", 4096) ?? "",
    retryAfterMs:
      retryAfterMs === null || retryAfterMs === undefined
        ? null
        : uintField(retryAfterMs, "retryAfterMs"),
  };
}
