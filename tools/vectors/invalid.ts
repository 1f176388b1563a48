import { Code } from "../../protocol/codes.ts";
import type { CodeInfo } from "../../protocol/codes.ts";

/** A message a broker must refuse, and how. */
export interface InvalidVector {
  readonly name: string;
  readonly clause: string;
  /** One of the two. */
  readonly hex?: string;
  readonly json?: string;
  readonly code: number;
  readonly codeName: string;
  /** Whether the connection is closed with the code as well. */
  readonly fatal: boolean;
  /** The id the error reply carries. */
  readonly requestId: number;
}

/** The request id is 0 unless it could be read. */
type Source = readonly [name: string, clause: string, wire: string, requestId?: number];

const room = "a9636861742e726f6f6d";
const hello = "c40568656c6c6f";

const frames: Source[] = [
  ["no frame at all", "P-3.3", ""],
  ["nil instead of a frame", "P-3.1", "c0"],
  ["a map instead of a frame", "P-3.1", "80"],
  ["an integer instead of a frame", "P-3.1", "04"],
  ["a string instead of a frame", "P-3.1", "a161"],
  ["a frame as array 32", "P-3.1", "dd00000003061200"],
  ["an empty frame", "P-3.1", "90"],
  ["an op that is a string", "P-3.1", "92a470696e6712"],
  ["an op that is nil", "P-3.1", "92c012"],
  ["the unused format c1", "P-3.8", "9206c1"],
  ["seventeen fields", "P-3.8", `dc0011${"06".padEnd(34, "0")}`],
  ["arrays nested five deep", "P-3.8", "930612919191919100"],
  ["fixext 1", "P-3.8", "930612d40100"],
  ["ext 8", "P-3.8", "930612c7000100"],
  ["a timestamp", "P-3.8", "930612d6ff00000000"],
  ["a record definition", "P-3.8", "930612d47240916161"],
  ["a map key that is an integer", "P-3.8", "930612810101"],
  ["a map key that is nil", "P-3.8", "93061281c001"],
  ["a map key as str 16", "P-3.8", "93061281da00016101"],
  ["cut short after the head", "P-3.3", "94"],
  ["cut short in an integer", "P-3.3", "9306ce0000"],
  ["cut short in a string", "P-3.3", "94040aa96368"],
  ["cut short in a payload", "P-3.3", `94040a${room}c40568656c`],
  ["a payload that claims 4 GiB", "P-3.8", `94040a${room}c6ffffffff00`],
  ["a string that claims 4 GiB", "P-3.8", "94040adbffffffff61"],
  ["an array that claims 2^32-1 items", "P-3.8", "930612ddffffffff"],
  ["a map that claims 2^32-1 entries", "P-3.8", "930612dfffffffff"],
  ["a good frame, then half a one", "P-3.3", "930612009306"],
];

const ops: Source[] = [
  ["an unknown op", "P-3.7", "931f0700", 7],
  ["an op of the broker", "P-3.2", "92210a", 10],
  ["a negative op", "P-3.7", "92ff0a", 10],
  ["a fractional op", "P-3.7", "92cb40120000000000000a", 10],
];

const fields: Source[] = [
  ["connect without a version", "P-6.1", "920101", 1],
  ["connect with a version that is a string", "P-6.1", "930101a131", 1],
  ["connect with a token that is a number", "P-6.1", "9401010105", 1],
  ["a negative request id", "P-3.6", `9404ff${room}${hello}`],
  ["a request id of 2^32", "P-3.6", `9404cf0000000100000000${room}${hello}`],
  ["a fractional request id", "P-3.6", `9404cb3ff8000000000000${room}${hello}`],
  ["a request id that is a string", "P-3.6", `9404a131${room}${hello}`],
  ["publish without a payload", "P-6.4", `93040a${room}`, 10],
  ["publish of an integer", "P-3.5", `94040a${room}2a`, 10],
  ["publish of a map", "P-3.5", `94040a${room}81a16101`, 10],
  ["publish of nil", "P-3.5", `94040a${room}c0`, 10],
  ["publish on a channel that is a binary", "P-6.4", `94040ac40161${hello}`, 10],
  ["publish on a channel of 256 bytes", "P-5.1", `94040ada0100${"61".repeat(256)}${hello}`, 10],
  ["publish with a meta that is a map", "P-6.9", `95050a${room}80${hello}`, 10],
  ["publish with a meta id that is a number", "P-6.9", `95050a${room}9107${hello}`, 10],
  ["publish with a header that is a number", "P-6.9", `95050a${room}93c0c081a16101${hello}`, 10],
  ["publish with a time that is text", "P-6.9", `95050a${room}96c0c0c0c0c0a131${hello}`, 10],
  [
    "publish with 17 headers",
    "P-6.9",
    `95050a${room}93c0c0de0011${Array.from({ length: 17 }, (_, i) => `a1${(0x61 + i).toString(16)}a0`).join("")}${hello}`,
    10,
  ],
  ["subscribe with recover -1", "P-6.2", `950202${room}ff00`, 2],
  ["subscribe with the newest 1001", "P-6.2", `950202${room}cd03e900`, 2],
  ["subscribe with recover as text", "P-6.2", `950202${room}a13100`, 2],
  ["subscribe with half a position", "P-6.2", `950202${room}91a000`, 2],
  ["subscribe with an epoch of 33 bytes", "P-7.1", `950202${room}92d921${"61".repeat(33)}0000`, 2],
  ["subscribe with an offset of 2^53", "P-7.1", `950202${room}92a178cf002000000000000000`, 2],
  ["subscribe with flags 256", "P-6.2", `950202${room}c0cd0100`, 2],
  ["history of 1001", "P-6.5", `950702${room}cd03e9c0`, 2],
  ["history without a limit", "P-6.5", `930702${room}`, 2],
  ["ping with a time that is text", "P-6.6", "930612a131", 18],
  ["refresh without a token", "P-6.8", "92090c", 12],
  ["refresh with a token of 4097 bytes", "P-4.4", `93090cda1001${"61".repeat(4097)}`, 12],
  ["receipt without a time", "P-6.10", "930a072a"],
];

const framesInJson: Source[] = [
  ["not JSON", "P-3.1", "ping"],
  ["an object instead of a frame", "P-3.1", '{"op":6}'],
  ["an empty frame", "P-3.1", "[]"],
  ["no frame at all", "P-3.3", ""],
  ["an empty line at the end", "P-3.3", "[6,18,0]\n"],
  ["two frames in a line", "P-3.3", "[6,18,0][6,19,0]"],
  ["seventeen fields", "P-3.8", `[${Array.from({ length: 17 }, () => 6).join(",")}]`],
  ["arrays nested five deep", "P-3.8", "[6,18,[[[[0]]]]]"],
  ["an op that is text", "P-3.1", '["ping",18]'],
];

const opsInJson: Source[] = [
  ["an unknown op", "P-3.7", "[31,7,0]", 7],
  ["an op too large for a double", "P-3.7", "[1e999,7]", 7],
];

const fieldsInJson: Source[] = [
  ["base64 that is none", "P-3.5", '[4,10,"chat.room",{"b64":"*"}]', 10],
  ["base64 that is a number", "P-3.5", '[4,10,"chat.room",{"b64":7}]', 10],
  ["base64 and something else", "P-3.5", '[4,10,"chat.room",{"b64":"","x":1}]', 10],
  ["publish of an array", "P-3.5", '[4,10,"chat.room",[1,2,3]]', 10],
  ["a request id of 1.5", "P-3.6", '[4,1.5,"chat.room","hello"]'],
];

function refused(
  format: "hex" | "json",
  sources: readonly Source[],
  { code, name: codeName }: CodeInfo,
): InvalidVector[] {
  return sources.map(([name, clause, wire, requestId = 0]) => ({
    name,
    clause,
    [format]: wire,
    code,
    codeName,
    fatal: code === Code.badFrame.code,
    requestId,
  }));
}

/** What a broker must refuse; written by hand, so that the code is held against it. */
export const invalidVectors: readonly InvalidVector[] = [
  ...refused("hex", frames, Code.badFrame),
  ...refused("hex", ops, Code.unknownOp),
  ...refused("hex", fields, Code.badField),
  ...refused("json", framesInJson, Code.badFrame),
  ...refused("json", opsInJson, Code.unknownOp),
  ...refused("json", fieldsInJson, Code.badField),
];
