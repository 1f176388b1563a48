import type { RawFrame } from "../codec.ts";
import { optionalStringField, uintField } from "../fields.ts";
import type { Frame } from "../frame.ts";
import { MAX_CLIENT_NAME_BYTES, MAX_REQUEST_ID, MAX_TOKEN_BYTES } from "../limits.ts";
import { Op } from "../op.ts";

/** [1, id, version, token | nil, client | nil]  the first frame of every connection [P-6.1] */
export interface ConnectCommand {
  readonly type: "connect";
  readonly id: number;
  readonly version: number;
  /** Access token; null when it came with the HTTP request, or for an anonymous client. */
  readonly token: string | null;
  /** What the client calls itself, for the operator's eyes. */
  readonly client: string | null;
}

export function encodeConnect(command: Omit<ConnectCommand, "type">): Frame {
  return [Op.connect, command.id, command.version, command.token, command.client];
}

export function decodeConnect(frame: RawFrame): ConnectCommand {
  return {
    type: "connect",
    id: uintField(frame[1], "id", MAX_REQUEST_ID),
    version: uintField(frame[2], "version", 0xffff),
    token: optionalStringField(frame[3], "token", MAX_TOKEN_BYTES),
    client: optionalStringField(frame[4], "client", MAX_CLIENT_NAME_BYTES),
  };
}
