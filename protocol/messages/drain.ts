import type { RawFrame } from "../codec.ts";
import { uintField } from "../fields.ts";
import type { Frame } from "../frame.ts";
import { Op } from "../op.ts";

/** [43, windowMs]  the broker is shutting down: reconnect at a random time within the window [P-7.7] */
export interface DrainPush {
  readonly type: "drain";
  readonly windowMs: number;
}

export function encodeDrain(windowMs: number): Frame {
  return [Op.drain, windowMs];
}

export function decodeDrain(frame: RawFrame): DrainPush {
  return { type: "drain", windowMs: uintField(frame[1], "windowMs") };
}
