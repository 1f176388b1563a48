import type { RawFrame } from "../codec.ts";
import { arrayField, stringField, uintField } from "../fields.ts";
import type { Frame, FrameValue } from "../frame.ts";
import { MAX_REQUEST_ID, MAX_TOKEN_BYTES } from "../limits.ts";
import { Op } from "../op.ts";

/** [9, id, token]  replace the connection's token; result [tokenExpiresInMs] [P-6.8] */
export interface RefreshCommand {
  readonly type: "refresh";
  readonly id: number;
  readonly token: string;
}

export function encodeRefresh(command: Omit<RefreshCommand, "type">): Frame {
  return [Op.refresh, command.id, command.token];
}

export function decodeRefresh(frame: RawFrame): RefreshCommand {
  return {
    type: "refresh",
    id: uintField(frame[1], "id", MAX_REQUEST_ID),
    token: stringField(frame[2], "token", MAX_TOKEN_BYTES),
  };
}

export function refreshedResult(tokenExpiresInMs: number): FrameValue {
  return [tokenExpiresInMs];
}

export function decodeRefreshedResult(value: unknown): number {
  return uintField(arrayField(value, "result")[0], "tokenExpiresInMs");
}

/** [44, expiresInMs]  the token is about to expire: refresh it [P-7.8] */
export interface TokenExpiringPush {
  readonly type: "token-expiring";
  readonly expiresInMs: number;
}

export function encodeTokenExpiring(expiresInMs: number): Frame {
  return [Op.tokenExpiring, expiresInMs];
}

export function decodeTokenExpiring(frame: RawFrame): TokenExpiringPush {
  return { type: "token-expiring", expiresInMs: uintField(frame[1], "expiresInMs") };
}
