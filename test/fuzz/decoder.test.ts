import { expect, test } from "bun:test";

import { BinaryCodec } from "../../protocol/binary-codec.ts";
import type { RawFrame } from "../../protocol/codec.ts";
import { decodeCommand } from "../../protocol/command.ts";
import { ProtocolError } from "../../protocol/errors.ts";
import { JsonCodec } from "../../protocol/json-codec.ts";
import { MAX_COMMAND_DEPTH, MAX_COMMAND_FIELDS, MAX_PUSH_DEPTH } from "../../protocol/limits.ts";
import { readPublication } from "../../protocol/messages/publication.ts";
import { readPublish } from "../../protocol/messages/publish.ts";
import { decodeServerFrame } from "../../protocol/push.ts";
import { frameEnd, FrameReader } from "../../protocol/reader.ts";
import { mutateText } from "../support/mutate-text.ts";
import { Mutator } from "../support/mutate.ts";
import { announceSeed, Random } from "../support/random.ts";
import { loadVectors } from "../support/vector-files.ts";

/*
 * Damaged messages by the million. Whatever comes, a decoder answers with frames or with one ProtocolError;
 * it makes nothing larger than it was given; and it goes on working.
 */

const COMMAND_INPUTS = 1_000_000;
const SERVER_INPUTS = 200_000;
const JSON_INPUTS = 100_000;
const TIMEOUT_MS = 120_000;

/** Messages are short, so this is far above what one of them may cost. */
const MAX_BYTES_PER_MESSAGE = 64 * 1024;
/** What the whole run may leave behind; loose, because the collector comes when it likes. */
const MAX_GROWTH_BYTES = 64 * 1024 * 1024;

const seed = announceSeed("decoder fuzz");
const vectors = await loadVectors();
const toBroker = [
  ...vectors.commands,
  ...vectors.accepted,
  ...vectors.invalid,
  ...vectors.messages,
];
const commandSeeds = hexOf(toBroker);
const serverSeeds = hexOf([...vectors.serverFrames, ...vectors.accepted, ...vectors.messages]);
const textSeeds = toBroker.flatMap(({ json }) => json ?? []);

function hexOf(sources: readonly { hex?: string }[]): Uint8Array[] {
  return sources.flatMap(({ hex }) => (hex === undefined ? [] : Uint8Array.fromHex(hex)));
}

/** What a value takes at least: its items, characters and bytes. */
function weight(value: unknown): number {
  if (typeof value === "string" || value instanceof Uint8Array) return value.length + 1;
  if (Array.isArray(value)) return value.reduce<number>((sum, item) => sum + weight(item), 1);
  if (value instanceof Map) {
    return [...value].reduce((sum, [key, item]) => sum + weight(key) + weight(item), 1);
  }
  return 1;
}

/** Counts outcomes, so that a fuzzer that only ever sees one kind of them is noticed. */
interface Tally {
  inputs: number;
  frames: number;
  understood: number;
  refused: number;
  fatal: number;
}

/** Lets only a ProtocolError pass, and only one that is fit to be sent. */
function refuse(tally: Tally, error: unknown, input: () => string): void {
  if (!(error instanceof ProtocolError)) throw new Error(`on ${input()}`, { cause: error });
  tally.refused++;
  if (error.isFatal) tally.fatal++;
  // It becomes a close reason, in which a character must be a byte.
  if (!/^[\x20-\x7e]{1,500}$/.test(error.message)) {
    throw new Error(`unfit message ${JSON.stringify(error.message)} on ${input()}`);
  }
}

function heapBytes(): number {
  Bun.gc(true);
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

function expectBalanced(tally: Tally): void {
  const { inputs, frames, understood, refused, fatal } = tally;
  expect(frames).toBeGreaterThan(inputs / 20);
  expect(understood).toBeGreaterThan(inputs / 100);
  expect(refused - fatal).toBeGreaterThan(inputs / 100);
  expect(fatal).toBeGreaterThan(inputs / 20);
}

const heapBefore = heapBytes();

/** Feeds `inputs` damaged messages to the codec and to `understand`. */
function fuzzBinary(
  inputs: number,
  seeds: readonly Uint8Array[],
  codec: BinaryCodec,
  understand: (frame: RawFrame) => unknown,
  check: (message: Uint8Array) => void,
): void {
  const mutator = new Mutator(new Random(seed), seeds);
  const tally: Tally = { inputs, frames: 0, understood: 0, refused: 0, fatal: 0 };
  let message = new Uint8Array(0);
  let weightOfFrames = 0;
  const hex = (): string => message.toHex();
  const visit = (frame: RawFrame): void => {
    tally.frames++;
    weightOfFrames += weight(frame);
    try {
      if (understand(frame) !== null) tally.understood++;
    } catch (error) {
      refuse(tally, error, hex);
    }
  };
  for (let i = 0; i < inputs; i++) {
    message = mutator.next() as Uint8Array<ArrayBuffer>;
    weightOfFrames = 0;
    try {
      codec.decode(message, visit);
    } catch (error) {
      refuse(tally, error, hex);
    }
    if (weightOfFrames > message.length) throw new Error(`more than was given, on ${hex()}`);
    check(message);
  }
  expectBalanced(tally);
}

test(
  "a million damaged messages to the broker",
  () => {
    const reader = new FrameReader();
    const view = { id: 0, channelStart: 0, channelEnd: 0, payloadStart: 0, payloadEnd: 0 };
    let hot = 0;
    fuzzBinary(COMMAND_INPUTS, commandSeeds, new BinaryCodec(), decodeCommand, (message) => {
      reader.reset(message, 0, message.length);
      if (!readPublish(reader, view)) return;
      hot++;
      // What the hot reader takes, the guard takes too, and both see the same frame.
      const end = frameEnd(message, 0, message.length, MAX_COMMAND_DEPTH, MAX_COMMAND_FIELDS);
      const isWithin = view.channelEnd <= view.payloadStart && view.payloadEnd === end;
      if (reader.pos !== end || !isWithin) throw new Error(`torn view of ${message.toHex()}`);
    });
    expect(hot).toBeGreaterThan(COMMAND_INPUTS / 100);
  },
  TIMEOUT_MS,
);

test(
  "damaged messages to a client",
  () => {
    const reader = new FrameReader();
    const view = { channelId: 0, offset: 0, payloadStart: 0, payloadEnd: 0 };
    let hot = 0;
    const codec = new BinaryCodec(MAX_PUSH_DEPTH);
    fuzzBinary(SERVER_INPUTS, serverSeeds, codec, decodeServerFrame, (message) => {
      reader.reset(message, 0, message.length);
      if (!readPublication(reader, view)) return;
      hot++;
      const end = frameEnd(message, 0, message.length, MAX_PUSH_DEPTH, MAX_COMMAND_FIELDS);
      if (reader.pos !== end || view.payloadEnd !== end) throw new Error(message.toHex());
    });
    expect(hot).toBeGreaterThan(SERVER_INPUTS / 100);
  },
  TIMEOUT_MS,
);

test(
  "damaged messages in JSON",
  () => {
    const random = new Random(seed);
    const codec = new JsonCodec();
    const inputs = JSON_INPUTS;
    const tally: Tally = { inputs, frames: 0, understood: 0, refused: 0, fatal: 0 };
    let message = "";
    const shown = (): string => JSON.stringify(message);
    for (let i = 0; i < JSON_INPUTS; i++) {
      message = mutateText(random, textSeeds);
      let weightOfFrames = 0;
      try {
        codec.decode(message, (frame) => {
          tally.frames++;
          weightOfFrames += weight(frame);
          try {
            decodeCommand(frame);
            tally.understood++;
          } catch (error) {
            refuse(tally, error, shown);
          }
        });
      } catch (error) {
        refuse(tally, error, shown);
      }
      if (weightOfFrames > message.length) throw new Error(`more than was given, on ${shown()}`);
    }
    expectBalanced(tally);
  },
  TIMEOUT_MS,
);

test("one bad frame costs no more than a fixed amount, whatever lengths it claims", () => {
  const codec = new BinaryCodec();
  const rounds = 200;
  for (const claim of ["c6ffffffff", "dbffffffff", "ddffffffff", "dfffffffff", "c9ffffffff01"]) {
    const message = Buffer.from(`9404 0a a161 ${claim}`.replaceAll(" ", ""), "hex");
    const before = heapBytes();
    const kept: unknown[] = [];
    for (let i = 0; i < rounds; i++) {
      try {
        codec.decode(message, (frame) => kept.push(frame));
      } catch (error) {
        kept.push(error);
      }
    }
    expect(kept).toHaveLength(rounds);
    expect(heapBytes() - before).toBeLessThan(rounds * MAX_BYTES_PER_MESSAGE);
  }
});

test("the codecs still read every golden frame as before", () => {
  const binary = new BinaryCodec();
  for (const { hex } of vectors.commands) {
    const frames: RawFrame[] = [];
    binary.decode(Uint8Array.fromHex(hex), (frame) => frames.push(frame));
    expect(frames.map((frame) => binary.encode(frame as never).length)).toEqual([hex.length / 2]);
  }
});

test("none of it is kept", () => {
  expect(heapBytes() - heapBefore).toBeLessThan(MAX_GROWTH_BYTES);
});
