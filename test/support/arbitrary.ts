import type { Command } from "../../protocol/command.ts";
import { EMPTY_META } from "../../protocol/messages/meta.ts";
import type { PublicationMeta } from "../../protocol/messages/meta.ts";
import type { RecoverFrom } from "../../protocol/messages/subscribe.ts";
import type { StreamPosition } from "../../protocol/position.ts";
import type { Random } from "./random.ts";

/** Random values of the protocol's types, biased towards the edges of formats and limits. */

const NAME_CHARS = "ABCXYZabcxyz0189_:/@-";
const TEXT_CHARS = ["a", "Z", "0", " ", '"', "\\", "\n", "\u0000", "é", "ß", "€", "\ufeff", "😀"];
const EDGES = [
  0,
  1,
  31,
  32,
  127,
  128,
  255,
  256,
  65_535,
  65_536,
  0x7fff_ffff,
  0x8000_0000,
  0xffff_ffff,
  0x1_0000_0000,
  0x1f_ffff_ffff,
  Number.MAX_SAFE_INTEGER - 1,
  Number.MAX_SAFE_INTEGER,
] as const;

/** An integer from 0 to `max`: often an edge of a format, else of a random magnitude. */
export function arbitraryUint(random: Random, max = Number.MAX_SAFE_INTEGER): number {
  if (random.chance(0.5)) return random.pick(EDGES.filter((edge) => edge <= max));
  const bits = random.between(1, 53);
  return Math.min(max, Math.floor((random.uint32() / 0x1_0000_0000) * 2 ** bits));
}

/** Text of at most `maxBytes` UTF-8 bytes. */
export function arbitraryText(random: Random, maxBytes: number): string {
  let text = "";
  for (let left = random.below(maxBytes + 1); ;) {
    const char = random.pick(TEXT_CHARS);
    left -= Buffer.byteLength(char);
    if (left < 0) return text;
    text += char;
  }
}

export function arbitraryName(random: Random): string {
  const count = random.between(1, 4);
  const segments = Array.from({ length: count }, () =>
    random.text(random.between(1, random.chance(0.1) ? 60 : 9), NAME_CHARS),
  );
  return segments.join(".");
}

export function arbitraryPattern(random: Random): string {
  const segments = arbitraryName(random)
    .split(".")
    .map((segment) => (random.chance(0.4) ? "*" : segment));
  return random.chance(0.3) ? [...segments, ">"].join(".") : segments.join(".");
}

export function arbitraryPayload(random: Random, maxBytes = 600): Uint8Array {
  if (random.chance(0.4)) return new TextEncoder().encode(arbitraryText(random, 40));
  const length = random.chance(0.2) ? random.pick([0, 31, 32, 255, 256, 257]) : random.below(99);
  return random.bytes(Math.min(length, maxBytes));
}

export function arbitraryEpoch(random: Random): string {
  return random.text(random.between(0, 32), NAME_CHARS);
}

export function arbitraryPosition(random: Random): StreamPosition {
  return { epoch: arbitraryEpoch(random), offset: arbitraryUint(random) };
}

function orNull<T>(random: Random, make: () => T): T | null {
  return random.chance(0.5) ? null : make();
}

export function arbitraryHeaders(random: Random): ReadonlyMap<string, string> {
  const entries = Array.from({ length: random.below(17) }, () => [
    random.chance(0.1) ? "b64" : arbitraryText(random, 64),
    arbitraryText(random, random.chance(0.05) ? 1024 : 20),
  ]);
  return new Map(entries as [string, string][]);
}

export function arbitraryMeta(random: Random): PublicationMeta {
  if (random.chance(0.1)) return EMPTY_META;
  return {
    id: orNull(random, () => arbitraryText(random, 256)),
    key: orNull(random, () => arbitraryText(random, 256)),
    headers: orNull(random, () => arbitraryHeaders(random)),
    traceparent: orNull(random, () => arbitraryText(random, 64)),
    tracestate: orNull(random, () => arbitraryText(random, 512)),
    timeMs: orNull(random, () => arbitraryUint(random)),
    user: orNull(random, () => arbitraryText(random, 64)),
  };
}

/** As a client may tell it: with fractions, and below zero too. */
function arbitraryTime(random: Random): number {
  return (arbitraryUint(random) - arbitraryUint(random)) / random.between(1, 4);
}

function arbitraryRecover(random: Random): RecoverFrom {
  switch (random.below(3)) {
    case 0:
      return { type: "none" };
    case 1:
      return { type: "last", count: random.between(0, 1000) };
    default:
      return { type: "position", position: arbitraryPosition(random) };
  }
}

const MAX_ID = 0xffff_ffff;

/** A random command of each type, by its type. */
export const arbitraryCommands: {
  readonly [Type in Command["type"]]: (random: Random) => Extract<Command, { type: Type }>;
} = {
  connect: (random) => ({
    type: "connect",
    id: arbitraryUint(random, MAX_ID),
    version: arbitraryUint(random, 0xffff),
    token: orNull(random, () => arbitraryText(random, random.chance(0.1) ? 4096 : 200)),
    client: orNull(random, () => arbitraryText(random, 64)),
  }),
  subscribe: (random) => ({
    type: "subscribe",
    id: arbitraryUint(random, MAX_ID),
    channel: random.chance(0.3) ? arbitraryPattern(random) : arbitraryName(random),
    recover: arbitraryRecover(random),
    flags: random.below(256),
  }),
  unsubscribe: (random) => ({
    type: "unsubscribe",
    id: arbitraryUint(random, MAX_ID),
    channel: arbitraryPattern(random),
  }),
  publish: (random) => ({
    type: "publish",
    id: arbitraryUint(random, MAX_ID),
    channel: arbitraryName(random),
    payload: arbitraryPayload(random),
    meta: orNull(random, () => ({
      ...arbitraryMeta(random),
      timeMs: orNull(random, () => arbitraryTime(random)),
    })),
  }),
  ping: (random) => ({
    type: "ping",
    id: arbitraryUint(random, MAX_ID),
    clientTimeMs: arbitraryUint(random),
  }),
  history: (random) => ({
    type: "history",
    id: arbitraryUint(random, MAX_ID),
    channel: arbitraryName(random),
    limit: random.between(0, 1000),
    since: orNull(random, () => arbitraryPosition(random)),
  }),
  presence: (random) => ({
    type: "presence",
    id: arbitraryUint(random, MAX_ID),
    channel: arbitraryName(random),
  }),
  refresh: (random) => ({
    type: "refresh",
    id: arbitraryUint(random, MAX_ID),
    token: arbitraryText(random, 300),
  }),
  receipt: (random) => ({
    type: "receipt",
    id: 0,
    channelId: arbitraryUint(random),
    offset: arbitraryUint(random),
    receivedAtMs: arbitraryUint(random),
    uncertaintyMs: random.pick([null, arbitraryUint(random)]),
  }),
};
