import { jsonPayload } from "../../protocol/json-codec.ts";

/** A frame in another encoding than this tree writes, and the canonical one that means the same. */
export interface AcceptedVector {
  readonly name: string;
  readonly clause: string;
  readonly direction: "to-broker" | "to-client";
  /** One of the two. */
  readonly hex?: string;
  readonly json?: string;
  /** The frame it is equal to, as in the golden vectors. */
  readonly means: readonly unknown[];
}

const PUBLISH = [4, 10, "chat.room", { b64: "aGVsbG8=" }];
const LIVE = [2, 2, "chat.room", null, 0];
const PING_AT_0 = [6, 18, 0];
const room = "a9636861742e726f6f6d";
const hello = "c40568656c6c6f";

function toBroker(
  name: string,
  clause: string,
  wire: { hex: string } | { json: string },
  means: readonly unknown[],
): AcceptedVector {
  return { name, clause, direction: "to-broker", ...wire, means };
}

function toClient(
  name: string,
  clause: string,
  wire: { hex: string } | { json: string },
  means: readonly unknown[],
): AcceptedVector {
  return { name, clause, direction: "to-client", ...wire, means };
}

const integers: AcceptedVector[] = [
  ...[
    ["uint 8", "cc0a"],
    ["uint 16", "cd000a"],
    ["uint 32", "ce0000000a"],
    ["uint 64", "cf000000000000000a"],
    ["int 8", "d00a"],
    ["int 16", "d1000a"],
    ["int 32", "d20000000a"],
    ["int 64", "d3000000000000000a"],
    ["float 32", "ca41200000"],
    ["float 64", "cb4024000000000000"],
  ].map(([format, id]) =>
    toBroker(`request id as ${format}`, "P-3.4", { hex: `9404${id}${room}${hello}` }, PUBLISH),
  ),
  toBroker("op as uint 8", "P-3.4", { hex: `94cc040a${room}${hello}` }, PUBLISH),
  toBroker("op as float 64", "P-3.4", { hex: `94cb40100000000000000a${room}${hello}` }, PUBLISH),
  toBroker("integral float in JSON", "P-3.4", { json: "[6,1.8e1,0.0]" }, PING_AT_0),
  toClient("offset as uint 64", "P-3.4", { hex: `942307cf0000000100000000${hello}` }, [
    35,
    7,
    4_294_967_296,
    { b64: "aGVsbG8=" },
  ]),
  toClient("offset as int 64", "P-3.4", { hex: `942307d30000000100000000${hello}` }, [
    35,
    7,
    4_294_967_296,
    { b64: "aGVsbG8=" },
  ]),
];

const lengths: AcceptedVector[] = [
  toBroker("frame as array 16", "P-3.1", { hex: `dc0004040a${room}${hello}` }, PUBLISH),
  toBroker("channel as str 8", "P-6.4", { hex: `94040ad909${room.slice(2)}${hello}` }, PUBLISH),
  toBroker("channel as str 16", "P-6.4", { hex: `94040ada0009${room.slice(2)}${hello}` }, PUBLISH),
  toBroker(
    "channel as str 32",
    "P-6.4",
    { hex: `94040adb00000009${room.slice(2)}${hello}` },
    PUBLISH,
  ),
  toBroker("payload as bin 16", "P-3.5", { hex: `94040a${room}c50005${hello.slice(4)}` }, PUBLISH),
  toBroker(
    "payload as bin 32",
    "P-3.5",
    { hex: `94040a${room}c600000005${hello.slice(4)}` },
    PUBLISH,
  ),
  toBroker("payload as str", "P-3.5", { hex: `94040a${room}a5${hello.slice(4)}` }, PUBLISH),
  toBroker("payload as str 8", "P-3.5", { hex: `94040a${room}d905${hello.slice(4)}` }, PUBLISH),
];

const inJson: AcceptedVector[] = [
  toBroker(
    "payload as base64 though it is text",
    "P-3.5",
    { json: '[4,10,"chat.room",{"b64":"aGVsbG8="}]' },
    PUBLISH,
  ),
  toBroker(
    "base64 without padding",
    "P-3.5",
    { json: '[4,10,"chat.room",{"b64":"aGVsbG8"}]' },
    PUBLISH,
  ),
  toBroker(
    "space between tokens",
    "P-3.3",
    { json: ' [ 4, 10, "chat.room", "hello" ]\r' },
    PUBLISH,
  ),
  toBroker(
    "escaped characters",
    "P-3.3",
    { json: String.raw`[4,10,"chat\u002eroom","\u0068ello"]` },
    PUBLISH,
  ),
];

const fields: AcceptedVector[] = [
  toBroker("subscribe without recover and flags", "P-3.7", { hex: `930202${room}` }, LIVE),
  toBroker("subscribe without flags", "P-3.7", { hex: `940202${room}c0` }, LIVE),
  toBroker("subscribe with nil flags", "P-3.7", { hex: `950202${room}c0c0` }, LIVE),
  toBroker(
    "subscribe with a field of tomorrow",
    "P-3.7",
    { hex: `960202${room}c00081a17801` },
    LIVE,
  ),
  toBroker(
    "subscribe with a field of tomorrow",
    "P-3.7",
    { json: '[2,2,"chat.room",null,0,{"x":1}]' },
    LIVE,
  ),
  toBroker(
    "publish with a field of tomorrow",
    "P-3.7",
    { hex: `95040a${room}${hello}c3` },
    PUBLISH,
  ),
  toBroker("ping without a time", "P-6.6", { hex: "920612" }, PING_AT_0),
  toBroker("connect without token and name", "P-6.1", { hex: "93010101" }, [1, 1, 1, null, null]),
  toBroker("history without since", "P-6.5", { hex: `940713${room}32` }, [
    7,
    19,
    "chat.room",
    50,
    null,
  ]),
  toBroker(
    "publish with a meta cut after the key",
    "P-6.9",
    { hex: `95050f${room}92a26964a36b6579${hello}` },
    [5, 15, "chat.room", ["id", "key", null, null, null, null, null], { b64: "aGVsbG8=" }],
  ),
  toClient("publication with a field of tomorrow", "P-3.7", { hex: `9523072a${hello}c3` }, [
    35,
    7,
    42,
    { b64: "aGVsbG8=" },
  ]),
  toClient(
    "error without retry advice",
    "P-8.1",
    { hex: "952209cd0fafae6e6f745f73756273637269626564a178" },
    [34, 9, 4015, "not_subscribed", "x", null],
  ),
];

/** Encodings a reader must take although this tree does not write them. */
export const acceptedVectors: readonly AcceptedVector[] = [
  ...integers,
  ...lengths,
  ...inJson,
  ...fields,
];

/** Payloads too long to print: `hex` and `json` are what stands around `count` times the byte. */
export interface LargeVector {
  readonly name: string;
  readonly clause: string;
  readonly frame: readonly unknown[];
  /** The message up to the payload's bytes, which end it. */
  readonly hex: string;
  readonly fill: { readonly byte: string; readonly count: number };
  readonly jsonBefore: string;
  readonly jsonAfter: string;
}

export const largeVectors: readonly LargeVector[] = [
  [65_535, "c5ffff"],
  [65_536, "c600010000"],
].map(([count, head]) => ({
  name: `publish ${count} bytes`,
  clause: "P-3.5",
  frame: [4, 10, "chat.room", { fill: jsonPayload(Uint8Array.of(0x61)), count }],
  hex: `94040a${room}${head}`,
  fill: { byte: "61", count: count as number },
  jsonBefore: '[4,10,"chat.room","',
  jsonAfter: '"]',
}));
