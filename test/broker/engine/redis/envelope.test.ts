import { describe, expect, test } from "bun:test";

import {
  localGroup,
  MessageKind,
  nodeOf,
  readMessage,
  readRun,
  RUN_HEADER_BYTES,
  writeHeader,
  writePlainMessage,
  writeRunEntry,
} from "../../../../broker/engine/redis/envelope.ts";
import { announceSeed, Random } from "../../../support/random.ts";

interface Publication {
  readonly payload: Uint8Array;
  readonly meta: Uint8Array | null;
}

function writeRun(publications: readonly Publication[]): Uint8Array {
  const size = publications.reduce(
    (sum, { payload, meta }) => sum + RUN_HEADER_BYTES + payload.length + (meta?.length ?? 0),
    0,
  );
  const run = new Uint8Array(size);
  let at = 0;
  for (const { payload, meta } of publications) {
    // In the midst of a longer source, as publications come.
    const source = new Uint8Array(payload.length + 5);
    source.set(payload, 2);
    at = writeRunEntry(run, at, source, 2, 2 + payload.length, meta);
  }
  expect(at).toBe(size);
  return run;
}

function publicationsOf(run: Uint8Array): Publication[] {
  const publications: Publication[] = [];
  readRun(run, (start, end, meta) => {
    publications.push({
      payload: run.slice(start, end),
      meta: meta === null ? null : meta.slice(),
    });
  });
  return publications;
}

function arbitraryPublication(random: Random): Publication {
  const sizes = [0, 1, random.below(100), random.below(70_000)];
  return {
    payload: random.bytes(random.pick(sizes)),
    meta: random.chance(0.5) ? null : random.bytes(random.between(1, random.pick([10, 32_767]))),
  };
}

const NODE = "abcABC019_-";
const NAME = "abcdefghijklmnopqrstuvwxyzABCXYZ0189_.:/@-";

function visit(): void {}

describe("messages between nodes", () => {
  const random = new Random(announceSeed("envelope"));

  test("come out as they went in", () => {
    for (let round = 0; round < 200; round++) {
      const groups = Array.from({ length: random.between(1, 4) }, () => {
        const publications = Array.from({ length: random.between(1, 5) }, () =>
          arbitraryPublication(random),
        );
        const channel = random.text(random.between(1, 255), NAME);
        return { channel, publications, count: publications.length, run: writeRun(publications) };
      });
      const timeMs = 1_800_000_000_000 + random.uint32() + 0.7;
      const header = {
        kind: random.pick([MessageKind.ordered, MessageKind.plain]),
        producer: `${random.text(random.between(1, 64), NODE)}.${random.text(8, NODE)}`,
        sentMs: timeMs + 0.25,
        openedMs: timeMs - random.below(10_000) / 7,
      };
      const message = writePlainMessage(writeHeader(header), groups, timeMs);
      // As ioredis hands it over: somewhere in a larger buffer.
      const received = Buffer.concat([Buffer.alloc(3), message]).subarray(3);
      const read: unknown[] = [];
      readMessage(received, ({ run, ...group }) =>
        read.push({ ...group, publications: publicationsOf(run) }),
      );
      expect(read).toEqual(
        groups.map(({ channel, count, publications }) => ({
          channel,
          epoch: "",
          firstOffset: 0,
          count,
          timeMs: Math.trunc(timeMs),
          publications,
          producer: header.producer,
          node: header.producer.split(".")[0],
          sentMs: header.sentMs,
          openedMs: header.openedMs,
        })),
      );
    }
  });

  test("that are cut anywhere are refused, or hold whole groups alone", () => {
    const groups = ["a", "bc"].map((channel) => ({
      channel,
      count: 1,
      run: writeRun([{ payload: random.bytes(20), meta: random.bytes(3) }]),
    }));
    const header = writeHeader({ kind: 2, producer: "n.1", sentMs: 1, openedMs: 1 });
    const message = writePlainMessage(header, groups, 1);
    const whole = [header.length, header.length + 24 + 1 + 29, message.length];
    for (let length = 0; length <= message.length; length++) {
      const read = (): number => {
        let count = 0;
        readMessage(message.subarray(0, length), ({ run }) => {
          expect(run).toEqual((groups[count] as { run: Uint8Array }).run);
          count++;
        });
        return count;
      };
      if (whole.includes(length)) expect(read()).toBe(whole.indexOf(length));
      else expect(read).toThrow(RangeError);
    }
  });

  test("that never left the node look the same", () => {
    for (let round = 0; round < 200; round++) {
      const publication = arbitraryPublication(random);
      const { payload, meta } = publication;
      const from = { producer: "n.1", sentMs: round, openedMs: round - 0.5 };
      const source = Buffer.concat([Buffer.alloc(3), payload, Buffer.alloc(2)]);
      const local = localGroup("a", from, source, 3, 3 + payload.length, meta);
      source.fill(0);
      const header = writeHeader({ kind: MessageKind.plain, ...from });
      const groups = [{ channel: "a", count: 1, run: writeRun([publication]) }];
      readMessage(writePlainMessage(header, groups, round), ({ run, ...group }) => {
        const read: unknown = { ...group, run: new Uint8Array(run) };
        expect(read).toEqual(local);
      });
    }
    expect(nodeOf("no-dot")).toBe("no-dot");
  });

  test("of somebody else are refused", () => {
    expect(() => readMessage(new Uint8Array(0), visit)).toThrow(RangeError);
    expect(() => readMessage(new TextEncoder().encode("hello"), visit)).toThrow("unknown kind 104");
    for (let round = 0; round < 2000; round++) {
      const bytes = random.bytes(random.between(1, 60));
      bytes[0] = random.pick([1, 2]);
      try {
        readMessage(bytes, ({ run }) => readRun(run, visit));
      } catch (error) {
        expect(error).toBeInstanceOf(RangeError);
      }
    }
  });

  test("with a run that is cut short are refused", () => {
    const run = writeRun([{ payload: random.bytes(10), meta: null }]);
    for (let length = 1; length < run.length; length++) {
      expect(() => publicationsOf(run.subarray(0, length))).toThrow(RangeError);
    }
  });
});
