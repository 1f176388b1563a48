import { describe, expect, test } from "bun:test";

import { publicationsOf } from "../../../broker/channels/history.ts";
import { PublicationLog } from "../../../broker/engine/publication-log.ts";
import type { LogSlice } from "../../../broker/engine/publication-log.ts";
import { encodeMeta } from "../../../broker/meta.ts";
import { EMPTY_META } from "../../../protocol/messages/meta.ts";
import { publicationSize } from "../../../protocol/messages/publication.ts";
import { PlainLog } from "../../support/plain-log.ts";
import type { PlainEntry } from "../../support/plain-log.ts";
import { announceSeed, Random } from "../../support/random.ts";

const CHANNEL_ID = 7;
const FOREVER_MS = 1e9;

/** A slice somebody kept, and what it held at that time. */
interface HeldSlice {
  readonly bytes: Uint8Array;
  readonly copy: Uint8Array;
}

function content(slices: readonly LogSlice[]): { offset: number; payload: string }[] {
  for (const slice of slices) {
    const items = publicationsOf(slice);
    expect(items.length).toBe(slice.count);
    expect(items[0]?.offset).toBe(slice.firstOffset);
  }
  return slices
    .flatMap(publicationsOf)
    .map(({ offset, payload }) => ({ offset, payload: Buffer.from(payload).toString("latin1") }));
}

function plainContent(entries: readonly PlainEntry[]): { offset: number; payload: string }[] {
  return entries.map(({ offset, payload }) => ({
    offset,
    payload: Buffer.from(payload).toString("latin1"),
  }));
}

/** Sizes around the places where a log changes its mind: empty, header widths, chunk sizes. */
function randomSize(random: Random): number {
  if (random.chance(0.002)) return random.between(60_000, 140_000);
  if (random.chance(0.02)) return random.between(400, 9_000);
  return random.pick([0, 1, 16, 64, random.below(300), random.below(300)]);
}

/** Drives a log and its plain twin with the same random steps and compares what each gives out. */
class Drill {
  readonly random: Random;
  readonly log: PublicationLog;
  readonly twin: PlainLog;
  readonly held: HeldSlice[] = [];
  nowMs = 0;

  constructor(random: Random, historySize: number, historyTtlMs: number) {
    this.random = random;
    this.log = new PublicationLog(CHANNEL_ID, 0, historySize, historyTtlMs);
    this.twin = new PlainLog(historySize, historyTtlMs);
  }

  append(): void {
    const { random, log, twin } = this;
    const payload = random.bytes(randomSize(random));
    if (log.mustTakeBefore(payload.length, 0)) this.take();
    // The payload lies somewhere in a message, which is overwritten at once.
    const before = random.below(20);
    const message = new Uint8Array(before + payload.length + random.below(20));
    message.set(payload, before);
    const offset = log.append(message, before, before + payload.length, null, this.nowMs);
    message.fill(0xee);
    expect(offset).toBe(twin.append(payload, this.nowMs));
    expect(log.offset).toBe(offset);
  }

  take(): void {
    const slice = this.log.takePending();
    const pending = this.twin.takePending();
    expect(this.log.pendingCount).toBe(0);
    expect(content(slice === null ? [] : [slice])).toEqual(plainContent(pending));
    if (slice === null || !this.random.chance(0.2)) return;
    const bytes = this.log.hold(slice);
    expect(bytes).toEqual(slice.bytes);
    this.keep(bytes);
  }

  read(): void {
    const { random, log, twin, nowMs } = this;
    const first = log.firstOffset(nowMs);
    expect(first).toBe(twin.firstOffset(nowMs));
    const offset = first + random.below(twin.offset - first + 3);
    const limit = random.pick([0, 1, random.below(20), 100_000]);
    const slices = log.read(offset, limit);
    expect(content(slices)).toEqual(plainContent(twin.read(offset, limit, nowMs)));
    if (random.chance(0.3)) for (const { bytes } of slices) this.keep(bytes);
  }

  keep(bytes: Uint8Array): void {
    this.held.push({ bytes, copy: bytes.slice() });
    if (this.held.length > 50) this.checkHeld(this.held.splice(0, 25));
  }

  checkHeld(held: readonly HeldSlice[] = this.held): void {
    for (const { bytes, copy } of held) expect(bytes).toEqual(copy);
  }

  step(): void {
    const { random } = this;
    const dice = random.below(100);
    if (dice < 70) this.append();
    else if (dice < 85) this.take();
    else if (dice < 94) this.read();
    else if (dice < 97) this.log.trim(this.nowMs);
    else this.nowMs += random.pick([1, 10, 400]);
  }
}

describe("publication log", () => {
  const seed = announceSeed("publication-log");

  for (const historySize of [0, 1, 2, 17, 256, 5000]) {
    for (const ttlMs of [FOREVER_MS, 500]) {
      test(`of history ${historySize} and ${ttlMs} ms equals an array, and held slices never change`, () => {
        const random = new Random(seed + historySize + ttlMs);
        const drill = new Drill(random, historySize, ttlMs);
        for (let step = 0; step < 4000; step++) drill.step();
        drill.take();
        drill.read();
        drill.checkHeld();
      });
    }
  }

  test("keeps offsets counting from where a stream stands", () => {
    const log = new PublicationLog(CHANNEL_ID, 2 ** 40, 10, FOREVER_MS);
    expect(log.firstOffset(0)).toBe(2 ** 40 + 1);
    expect(log.append(new Uint8Array(3), 0, 3, null, 0)).toBe(2 ** 40 + 1);
    const slice = log.takePending() as LogSlice;
    expect(publicationsOf(slice)[0]?.offset).toBe(2 ** 40 + 1);
  });

  test("carries meta as it was encoded", () => {
    const log = new PublicationLog(CHANNEL_ID, 0, 10, FOREVER_MS);
    const meta = encodeMeta({ ...EMPTY_META, id: "a", key: "k" }, 1_234_567_890_123, "ada");
    log.append(new TextEncoder().encode("payload"), 0, 7, meta, 0);
    const [item] = publicationsOf(log.takePending() as LogSlice);
    expect(item?.meta).toMatchObject({ id: "a", key: "k", timeMs: 1_234_567_890_123, user: "ada" });
    expect(item?.payload).toEqual(new TextEncoder().encode("payload"));
  });

  test("counts a publication exactly ttl old as kept, and an older one as gone", () => {
    const log = new PublicationLog(CHANNEL_ID, 0, 10, 1000);
    log.append(new Uint8Array(1), 0, 1, null, 0);
    log.takePending();
    expect(log.firstOffset(1000)).toBe(1);
    expect(log.firstOffset(1000.5)).toBe(2);
  });

  test("lets go of what is past the bounds", () => {
    const log = new PublicationLog(CHANNEL_ID, 0, 1000, 1000);
    for (let i = 0; i < 1000; i++) {
      log.append(new Uint8Array(1000), 0, 1000, null, 0);
      log.takePending();
    }
    expect(log.heldBytes).toBeGreaterThan(1_000_000);
    log.trim(2000);
    expect(log.heldBytes).toBe(0);
    expect(log.read(1, 1000)).toEqual([]);
    expect(log.offset).toBe(1000);
  });

  for (const [payloadBytes, historySize] of [
    [10, 256],
    [64, 100],
    [1000, 256],
    [40_000, 16],
  ] as const) {
    test(`of ${historySize} publications of ${payloadBytes} bytes takes a small multiple of their memory`, () => {
      const log = new PublicationLog(CHANNEL_ID, 0, historySize, FOREVER_MS);
      const count = historySize * 20;
      for (let i = 0; i < count; i++) {
        log.append(new Uint8Array(payloadBytes), 0, payloadBytes, null, 0);
        log.takePending();
      }
      const keptBytes = historySize * publicationSize(CHANNEL_ID, count, payloadBytes);
      const buffers = new Set(log.read(1, count).map(({ bytes }) => bytes.buffer));
      let allocatedBytes = 0;
      for (const buffer of buffers) allocatedBytes += buffer.byteLength;
      expect(allocatedBytes).toBeGreaterThanOrEqual(keptBytes);
      // Chunks are let go of whole, so one more than what is kept may be there: at most 64 KiB of it.
      expect(allocatedBytes).toBeLessThanOrEqual(3 * keptBytes + 64 * 1024);
      if (keptBytes < 10_000) expect(allocatedBytes).toBeLessThanOrEqual(4 * keptBytes);
    });
  }

  test("forgets its publications but not its place when it is cleared", () => {
    const log = new PublicationLog(CHANNEL_ID, 0, 10, FOREVER_MS);
    for (let i = 0; i < 5; i++) log.append(new Uint8Array(5), 0, 5, null, 0);
    log.clear();
    expect(log.takePending()).toBeNull();
    expect(log.firstOffset(0)).toBe(6);
    expect(log.heldBytes).toBe(0);
    expect(log.append(new Uint8Array(5), 0, 5, null, 0)).toBe(6);
    expect(publicationsOf(log.takePending() as LogSlice).map(({ offset }) => offset)).toEqual([6]);
  });
});
