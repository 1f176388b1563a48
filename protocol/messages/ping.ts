import type { RawFrame } from "../codec.ts";
import { uintField } from "../fields.ts";
import type { Frame } from "../frame.ts";
import { MAX_REQUEST_ID } from "../limits.ts";
import { Op } from "../op.ts";

/** [6, id, clientTimeMs]  heartbeat; clientTimeMs is echoed and may be left out [P-6.6] */
export interface PingCommand {
  readonly type: "ping";
  readonly id: number;
  readonly clientTimeMs: number;
}

export function encodePing(command: Omit<PingCommand, "type">): Frame {
  return [Op.ping, command.id, command.clientTimeMs];
}

export function decodePing(frame: RawFrame): PingCommand {
  return {
    type: "ping",
    id: uintField(frame[1], "id", MAX_REQUEST_ID),
    clientTimeMs:
      frame[2] === undefined || frame[2] === null ? 0 : uintField(frame[2], "clientTimeMs"),
  };
}

/** [42, id, clientTimeMs, serverTimeMs]  the answer, at once and with the broker's clock [P-6.6] */
export interface PongReply {
  readonly type: "pong";
  readonly id: number;
  readonly clientTimeMs: number;
  readonly serverTimeMs: number;
}

export function encodePong(reply: Omit<PongReply, "type">): Frame {
  return [Op.pong, reply.id, reply.clientTimeMs, reply.serverTimeMs];
}

export function decodePong(frame: RawFrame): PongReply {
  return {
    type: "pong",
    id: uintField(frame[1], "id", MAX_REQUEST_ID),
    clientTimeMs: uintField(frame[2], "clientTimeMs"),
    serverTimeMs: uintField(frame[3], "serverTimeMs"),
  };
}
