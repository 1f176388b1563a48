import { decodeBinary } from "../../protocol/binary-codec.ts";
import type { Frame } from "../../protocol/frame.ts";
import { JsonCodec } from "../../protocol/json-codec.ts";
import { MAX_PUSH_DEPTH } from "../../protocol/limits.ts";
import { frameEnd } from "../../protocol/reader.ts";

const json = new JsonCodec();

/** The broker's own msgpack frames as lines of JSON, for sessions that read the text format. */
export function encodeFrames(bytes: Uint8Array): string {
  const lines: string[] = [];
  let at = 0;
  while (at < bytes.length) {
    const end = frameEnd(bytes, at, bytes.length, MAX_PUSH_DEPTH, 16);
    lines.push(json.encode(decodeBinary(bytes, at, end) as Frame));
    at = end;
  }
  return lines.join("\n");
}
