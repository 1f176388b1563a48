import { describe, expect, test } from "bun:test";

import { Outbound } from "../../../broker/sessions/outbound.ts";
import { SendStatus } from "../../../broker/sessions/socket.ts";
import { Stats } from "../../../broker/stats.ts";
import { decodeBinary, encodeBinary } from "../../../protocol/binary-codec.ts";
import { JsonCodec } from "../../../protocol/json-codec.ts";
import { MAX_PUSH_DEPTH } from "../../../protocol/limits.ts";
import { encodePong } from "../../../protocol/messages/ping.ts";
import { encodePublication } from "../../../protocol/messages/publication.ts";
import { frameEnd } from "../../../protocol/reader.ts";
import { PlainSocket } from "../../support/plain-socket.ts";
import { announceSeed, Random } from "../../support/random.ts";

type Format = "msgpack" | "json";

/** The number that marks a frame of a test: the offset of a publication, the id of a reply. */
function markOf(frame: readonly unknown[]): number {
  const isPublication = frame[0] === 35;
  return Number(frame[isPublication ? 2 : 1]);
}

function marksIn(message: Uint8Array | string): number[] {
  if (typeof message === "string") {
    return message.split("\n").map((line) => markOf(JSON.parse(line) as unknown[]));
  }
  const marks: number[] = [];
  for (let at = 0; at < message.length;) {
    const end = frameEnd(message, at, message.length, MAX_PUSH_DEPTH, 16);
    marks.push(markOf(decodeBinary(message, at, end)));
    at = end;
  }
  return marks;
}

/** An outbound with what surrounds it in a broker: a socket, the end of the tick, the hub's loop. */
class Bench {
  readonly socket = new PlainSocket();
  readonly stats = new Stats();
  readonly slow: string[] = [];
  readonly outbound: Outbound;
  readonly format: Format;
  /** What was handed over, in order, as marks. */
  readonly given: number[] = [];
  #flushes: Outbound[] = [];

  constructor(
    format: Format,
    bounds: { maxQueuedBytes?: number; maxTotalQueuedBytes?: number } = {},
  ) {
    this.format = format;
    const context = {
      stats: this.stats,
      maxQueuedBytes: bounds.maxQueuedBytes ?? 1e9,
      maxTotalQueuedBytes: bounds.maxTotalQueuedBytes ?? 1e9,
      scheduleFlush: (outbound: Outbound) => this.#flushes.push(outbound),
    };
    this.outbound = new Outbound(format, this.socket, context, (reason) => this.slow.push(reason));
  }

  get sent(): number[] {
    return this.socket.taken.flatMap(marksIn);
  }

  #next(count: number): number[] {
    const marks = Array.from({ length: count }, (_, i) => this.given.length + i + 1);
    this.given.push(...marks);
    return marks;
  }

  #publications(count: number, payloadBytes: number): Uint8Array {
    const payload = new Uint8Array(payloadBytes).fill(7);
    const frames = this.#next(count).map((offset) =>
      encodeBinary(encodePublication({ channelId: 3, offset, payload, meta: null })),
    );
    return new Uint8Array(Buffer.concat(frames));
  }

  #text(bytes: Uint8Array): string {
    const json = new JsonCodec();
    const lines: string[] = [];
    for (let at = 0; at < bytes.length;) {
      const end = frameEnd(bytes, at, bytes.length, MAX_PUSH_DEPTH, 16);
      lines.push(json.encode(decodeBinary(bytes, at, end) as never));
      at = end;
    }
    return lines.join("\n");
  }

  reply(): void {
    const [id] = this.#next(1);
    this.outbound.frame(encodePong({ id: id as number, clientTimeMs: 0, serverTimeMs: 1 }));
  }

  acknowledge(): void {
    const [id] = this.#next(1);
    this.outbound.published(id as number, 77, "epoch");
  }

  /** As the hub does it, from memory that is overwritten afterwards. */
  deliver(count = 1, payloadBytes = 10): void {
    const bytes = this.#publications(count, payloadBytes);
    const { outbound, socket } = this;
    if (this.format === "json") {
      outbound.deliverText(this.#text(bytes));
      return;
    }
    if (outbound.isDirect) {
      const status = socket.sendBytes(bytes);
      if (status !== SendStatus.sent) outbound.settle(status);
    } else outbound.deliver(bytes, { stable: () => bytes.slice() });
    bytes.fill(0xc1);
  }

  replay(count = 1, payloadBytes = 10): void {
    const bytes = this.#publications(count, payloadBytes);
    this.outbound.replay(this.format === "json" ? this.#text(bytes) : bytes);
  }

  endTick(): void {
    const flushes = this.#flushes;
    this.#flushes = [];
    expect(flushes.length).toBeLessThanOrEqual(1);
    for (const outbound of flushes) outbound.flush();
  }

  writable(): void {
    this.socket.becomeWritable();
    this.outbound.onWritable();
  }

  /** Reads on until nothing waits any more. */
  drain(): void {
    this.endTick();
    while (this.socket.isFull) this.writable();
  }
}

describe("outbound", () => {
  const seed = announceSeed("outbound");

  for (const format of ["msgpack", "json"] as const) {
    test(`of ${format} keeps the order of everything handed over, loses and doubles nothing`, () => {
      const random = new Random(seed);
      for (let round = 0; round < 60; round++) {
        const bench = new Bench(format);
        for (let step = random.between(1, 120); step > 0; step--) {
          if (random.chance(0.15)) bench.socket.room = 0;
          const dice = random.below(100);
          if (dice < 20) bench.reply();
          else if (dice < 30) bench.acknowledge();
          else if (dice < 65) bench.deliver(random.between(1, 3), random.below(300));
          else if (dice < 72) bench.replay(random.between(1, 3));
          else if (dice < 86) bench.endTick();
          else if (bench.socket.isFull) bench.writable();
          expect(bench.outbound.queuedBytes).toBe(bench.stats.outboundQueuedBytes);
          expect(bench.given.slice(0, bench.sent.length)).toEqual(bench.sent);
        }
        bench.socket.room = Infinity;
        bench.drain();
        expect(bench.sent).toEqual(bench.given);
        expect(bench.outbound.queuedBytes).toBe(0);
        expect(bench.stats.outboundQueuedBytes).toBe(0);
        expect(bench.slow).toEqual([]);
      }
    });
  }

  test("lets publications go straight to the socket until replies wait or the socket is full", () => {
    const bench = new Bench("msgpack");
    expect(bench.outbound.isDirect).toBe(true);
    bench.reply();
    expect(bench.outbound.isDirect).toBe(false);
    bench.endTick();
    expect(bench.outbound.isDirect).toBe(true);
    bench.socket.room = 0;
    bench.deliver();
    expect(bench.outbound.isDirect).toBe(false);
    bench.writable();
    expect(bench.outbound.isDirect).toBe(true);
  });

  test("sends the replies of a tick as one message, and a publication takes them along", () => {
    const bench = new Bench("msgpack");
    bench.reply();
    bench.acknowledge();
    bench.endTick();
    expect(bench.socket.taken).toHaveLength(1);
    bench.reply();
    bench.deliver();
    expect(bench.socket.taken).toHaveLength(2);
    bench.endTick();
    expect(bench.socket.taken).toHaveLength(2);
    expect(bench.sent).toEqual(bench.given);
  });

  test("finds a session slow as soon as more than its bound waits, and not before", () => {
    const bench = new Bench("msgpack", { maxQueuedBytes: 1000 });
    bench.socket.room = 0;
    bench.deliver();
    while (bench.outbound.queuedBytes <= 1000) {
      expect(bench.slow).toEqual([]);
      bench.deliver(1, 100);
    }
    expect(bench.slow).toEqual(["slow"]);
    // One message more than the bound at most is ever held.
    expect(bench.outbound.queuedBytes).toBeLessThan(1000 + 200);
  });

  test("finds it over the node's budget when all sessions together hold too much", () => {
    const bench = new Bench("msgpack", { maxTotalQueuedBytes: 500 });
    bench.stats.outboundQueuedBytes = 480;
    bench.socket.room = 0;
    bench.deliver();
    bench.deliver(1, 10);
    expect(bench.slow).toEqual([]);
    bench.deliver(1, 10);
    expect(bench.slow).toEqual(["node-budget"]);
  });

  test("counts a replay's bytes neither as waiting nor as slow: they are the log's", () => {
    const bench = new Bench("msgpack", { maxQueuedBytes: 1000 });
    bench.socket.room = 0;
    bench.replay(1, 100);
    bench.replay(20, 100);
    expect(bench.outbound.queuedBytes).toBe(0);
    expect(bench.slow).toEqual([]);
    bench.drain();
    expect(bench.sent).toEqual(bench.given);
  });

  test("lets go of everything when it is discarded, and says how many messages never left", () => {
    const bench = new Bench("msgpack");
    bench.socket.room = 0;
    bench.deliver();
    for (let i = 0; i < 5; i++) bench.deliver(1, 100);
    expect(bench.stats.outboundQueuedBytes).toBeGreaterThan(500);
    expect(bench.outbound.discard()).toBe(5);
    expect(bench.stats.outboundQueuedBytes).toBe(0);
    expect(bench.outbound.discard()).toBe(0);
    bench.deliver();
    bench.reply();
    bench.drain();
    expect(bench.sent).toEqual([1]);
    expect(bench.outbound.queuedBytes).toBe(0);
  });

  test("hands nothing more to a socket that has dropped a message", () => {
    const bench = new Bench("msgpack");
    bench.socket.isGone = true;
    bench.deliver();
    bench.socket.isGone = false;
    bench.deliver();
    bench.reply();
    bench.endTick();
    bench.replay();
    expect(bench.sent).toEqual([]);
  });

  test("goes on in order when the socket fills again while it catches up", () => {
    const bench = new Bench("msgpack");
    bench.socket.room = 0;
    for (let i = 0; i < 3000; i++) bench.deliver();
    for (const room of [0, 1500, 3, 700, 0, 0, 500]) {
      bench.socket.room = room;
      bench.writable();
      bench.reply();
      bench.deliver();
    }
    bench.drain();
    expect(bench.sent).toEqual(bench.given);
    expect(bench.stats.outboundQueuedBytes).toBe(0);
  });
});
