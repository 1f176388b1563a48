import { Code } from "./codes.ts";
import type { CodeInfo } from "./codes.ts";

/**
 * The one error decoders throw. `info` is the registry entry to answer with, `requestId` the id of the
 * command it belongs to when that much could be read (0 otherwise), and `isFatal` says that frame
 * boundaries are lost, so the connection cannot go on.
 */
export class ProtocolError extends Error {
  override readonly name = "ProtocolError";
  readonly info: CodeInfo;
  readonly requestId: number;
  readonly isFatal: boolean;

  constructor(
    info: CodeInfo,
    message: string,
    options: { requestId?: number; fatal?: boolean } = {},
  ) {
    super(message);
    this.info = info;
    this.requestId = options.requestId ?? 0;
    this.isFatal = options.fatal ?? false;
  }
}

/** The bytes do not parse: no later frame of the message can be found. */
export function badFrame(message: string): ProtocolError {
  return new ProtocolError(Code.badFrame, message, { fatal: true });
}

/** The frame parses, but a field is not what the clause says. */
export function badField(message: string, requestId = 0): ProtocolError {
  return new ProtocolError(Code.badField, message, { requestId });
}
