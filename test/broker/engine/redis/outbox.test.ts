import { describe, expect, test } from "bun:test";

import { BrokerError } from "../../../../broker/api.ts";
import { readRun } from "../../../../broker/engine/redis/envelope.ts";
import type {
  OutboxBatch,
  OutboxStream,
  SendOutcome,
} from "../../../../broker/engine/redis/outbox-batch.ts";
import { Outbox } from "../../../../broker/engine/redis/outbox.ts";
import type { OutboxOptions } from "../../../../broker/engine/redis/outbox.ts";
import { Code } from "../../../../protocol/codes.ts";

const OPTIONS: OutboxOptions = {
  maxPublications: 1000,
  maxBytes: 1024 * 1024,
  giveUpMs: 5000,
  retryMs: 50,
  isRetried: true,
  forgetMs: 3_600_000,
};

interface Attempt {
  readonly seq: number;
  /** `stream: payload payload ...` of each group. */
  readonly groups: readonly string[];
  readonly batch: OutboxBatch<OutboxStream>;
  readonly answer: (outcome: SendOutcome) => Promise<void>;
}

/** Plays Redis and the event loop: each attempt waits for the test's answer, and time is the test's. */
class OutboxScript {
  readonly attempts: Attempt[] = [];
  /** `request: offset@epoch` or `request: error name`, in the order they were told. */
  readonly told: string[] = [];
  readonly outbox: Outbox<OutboxStream>;
  gaveUp = 0;
  #nowMs = 1000;
  #scheduled: (() => void)[] = [];
  #timers: { readonly dueMs: number; readonly work: () => void }[] = [];
  #nextRequest = 1;

  constructor(options: Partial<OutboxOptions> = {}) {
    this.outbox = new Outbox(
      {
        nowMs: () => this.#nowMs,
        schedule: (work) => this.#scheduled.push(work),
        after: (ms, work) => this.#timers.push({ dueMs: this.#nowMs + ms, work }),
        send: (batch) => this.#send(batch),
        gaveUp: (publications) => (this.gaveUp += publications),
      },
      { ...OPTIONS, ...options },
    );
  }

  #send(batch: OutboxBatch<OutboxStream>): Promise<SendOutcome> {
    const { promise, resolve } = Promise.withResolvers<SendOutcome>();
    const groups = batch.groups.map(({ stream, run, publicationId }) => {
      const texts: string[] = [];
      const bytes = run.view();
      readRun(bytes, (start, end) => texts.push(Buffer.from(bytes.slice(start, end)).toString()));
      return `${stream.name}${publicationId === null ? "" : `#${publicationId}`}: ${texts.join(" ")}`;
    });
    const answer = async (outcome: SendOutcome): Promise<void> => {
      resolve(outcome);
      await settled();
    };
    this.attempts.push({ seq: batch.seq, groups, batch, answer });
    return promise;
  }

  /** The refusal, or null. */
  add(stream: OutboxStream, text: string, id: string | null = null): BrokerError | null {
    const bytes = new TextEncoder().encode(text);
    const request = this.#nextRequest++;
    const refusal = this.outbox.add(stream, bytes, 0, bytes.length, null, id, this, request);
    // What is handed in may be overwritten at once.
    bytes.fill(0);
    return refusal;
  }

  published(requestId: number, offset: number, epoch: string): void {
    this.told.push(`${requestId}: ${offset}@${epoch}`);
  }

  publishFailed(requestId: number, error: BrokerError): void {
    this.told.push(`${requestId}: ${error.info.name}`);
  }

  /** The tick ends. */
  async tick(): Promise<void> {
    for (const work of this.#scheduled.splice(0)) work();
    await settled();
  }

  async advance(ms: number): Promise<void> {
    this.#nowMs += ms;
    const due = this.#timers.filter(({ dueMs }) => dueMs <= this.#nowMs);
    this.#timers = this.#timers.filter(({ dueMs }) => dueMs > this.#nowMs);
    for (const { work } of due) work();
    await settled();
  }

  get last(): Attempt {
    return this.attempts.at(-1) as Attempt;
  }

  /** Redis stored each group from this offset on. */
  done(...firstOffsets: number[]): Promise<void> {
    const results = firstOffsets.map((firstOffset) => ({
      ok: true as const,
      firstOffset,
      epoch: "e",
    }));
    return this.last.answer({ type: "done", results });
  }
}

/** Promises that are resolved have been reacted to. */
async function settled(): Promise<void> {
  for (let i = 0; i < 10; i++) await Promise.resolve();
}

const a = { name: "a" };
const b = { name: "b" };

describe("an outbox", () => {
  test("sends what came in one tick as one batch, in groups by channel, and tells each its offset", async () => {
    const script = new OutboxScript();
    for (const [stream, text] of [
      [a, "1"],
      [b, "2"],
      [a, "3"],
      [a, "4"],
    ] as const) {
      expect(script.add(stream, text)).toBeNull();
    }
    expect(script.attempts).toHaveLength(0);
    await script.tick();
    expect(script.last.groups).toEqual(["a: 1 3 4", "b: 2"]);
    await script.done(7, 1);
    expect(script.told.toSorted()).toEqual(["1: 7@e", "2: 1@e", "3: 8@e", "4: 9@e"]);
    expect(script.outbox.size).toBe(0);
  });

  test("keeps an id's publication in a group of its own, and a channel's order around it", async () => {
    const script = new OutboxScript();
    script.add(a, "1");
    script.add(a, "2", "id");
    script.add(a, "3");
    script.add(a, "4");
    await script.tick();
    expect(script.last.groups).toEqual(["a: 1", "a#id: 2", "a: 3 4"]);
  });

  test("has one batch under way, and numbers what fills meanwhile without holes", async () => {
    const script = new OutboxScript();
    script.add(a, "1");
    await script.tick();
    script.add(a, "2");
    script.add(a, "3");
    await script.tick();
    expect(script.attempts).toHaveLength(1);
    await script.done(1);
    expect(script.last).toMatchObject({ seq: 2, groups: ["a: 2 3"] });
    await script.done(2);
    expect(script.attempts.map(({ seq }) => seq)).toEqual([1, 2]);
  });

  test("closes a batch at 256 publications and at 64 KiB, except for one that alone is larger", async () => {
    const script = new OutboxScript();
    for (let i = 0; i < 514; i++) script.add(a, "x");
    script.add(a, "y".repeat(40_000));
    script.add(a, "z".repeat(40_000));
    script.add(b, "w".repeat(200_000));
    script.add(b, "v");
    await script.tick();
    while (script.outbox.size > 0) await script.done(...script.last.groups.map(() => 1));
    const { attempts } = script;
    expect(attempts.map(({ batch }) => batch.publications)).toEqual([256, 256, 3, 1, 1, 1]);
    expect(attempts[3]?.groups[0]).toStartWith("a: zzz");
  });

  test("closes a batch at 64 channels, and at 64 publications with an id", async () => {
    const script = new OutboxScript();
    for (let i = 0; i < 130; i++) script.add({ name: `c${i}` }, "x");
    for (let i = 0; i < 63; i++) script.add(a, "y", `id${i}`);
    script.add(a, "z");
    await script.tick();
    while (script.outbox.size > 0) await script.done(...script.last.groups.map(() => 1));
    const { attempts } = script;
    expect(attempts.map(({ batch }) => batch.groups.length)).toEqual([64, 64, 64, 2]);
  });

  test("tells no offset where there is none", async () => {
    const script = new OutboxScript();
    for (const text of ["1", "2"]) script.add(a, text);
    await script.tick();
    await script.last.answer({ type: "done", results: [{ ok: true, firstOffset: 0, epoch: "" }] });
    expect(script.told).toEqual(["1: 0@", "2: 0@"]);
  });

  test("sends the same batch with the same number until its outcome is known, and nothing overtakes it", async () => {
    const script = new OutboxScript();
    script.add(a, "1");
    await script.tick();
    script.add(a, "2");
    for (const type of ["unknown", "unsent", "unknown"] as const) {
      await script.last.answer({ type });
      await script.tick();
      await script.advance(49);
      const count = script.attempts.length;
      await script.advance(1);
      expect(script.attempts).toHaveLength(count + 1);
    }
    expect(script.attempts.map(({ seq, groups }) => [seq, groups])).toEqual(
      Array.from({ length: 4 }, () => [1, ["a: 1"]]),
    );
    await script.done(5);
    expect(script.last).toMatchObject({ seq: 2, groups: ["a: 2"] });
    expect(script.told).toEqual(["1: 5@e"]);
  });

  test("keeps what was sent once closed, though it was not handed over the next time", async () => {
    const script = new OutboxScript();
    script.add(a, "1");
    await script.tick();
    await script.last.answer({ type: "unknown" });
    await script.advance(50);
    await script.last.answer({ type: "unsent" });
    script.add(a, "2");
    await script.advance(50);
    expect(script.last.groups).toEqual(["a: 1"]);
  });

  test("lets a batch that was never handed over grow", async () => {
    const script = new OutboxScript();
    script.add(a, "1");
    await script.tick();
    await script.last.answer({ type: "unsent" });
    script.add(a, "2");
    await script.advance(50);
    expect(script.last.groups).toEqual(["a: 1 2"]);
  });

  test("tells publishers once that the outcome is not known, and goes on with the batch", async () => {
    const script = new OutboxScript();
    script.add(a, "1");
    await script.tick();
    await script.advance(5001);
    script.outbox.expire();
    expect(script.told).toEqual(["1: publish_unknown"]);
    expect(script.gaveUp).toBe(1);
    await script.last.answer({ type: "unknown" });
    await script.advance(5001);
    script.outbox.expire();
    expect(script.last.seq).toBe(1);
    // It was stored after all: whoever published it has been told already.
    await script.done(1);
    expect(script.told).toEqual(["1: publish_unknown"]);
    expect(script.gaveUp).toBe(1);
    expect(script.outbox.size).toBe(0);
  });

  test("takes back what was never sent, and says that nothing was stored", async () => {
    const script = new OutboxScript();
    script.add(a, "1");
    await script.tick();
    await script.last.answer({ type: "unknown" });
    script.add(a, "2");
    await script.advance(5001);
    script.outbox.expire();
    expect(script.told).toEqual(["1: publish_unknown", "2: unavailable"]);
    await script.done(1);
    await script.tick();
    expect(script.attempts.every(({ seq }) => seq === 1)).toBe(true);
    expect(script.outbox.size).toBe(0);
    script.add(a, "3");
    await script.tick();
    expect(script.last.groups).toEqual(["a: 3"]);
  });

  test("stops sending a batch that Redis may have forgotten again, so that it is never stored twice", async () => {
    const script = new OutboxScript({ forgetMs: 60_000 });
    script.add(a, "1");
    await script.tick();
    await script.last.answer({ type: "unknown" });
    await script.advance(59_000);
    await script.last.answer({ type: "unknown" });
    const count = script.attempts.length;
    await script.advance(1000);
    expect(script.attempts).toHaveLength(count);
    expect(script.outbox.size).toBe(0);
    script.add(a, "2");
    await script.tick();
    expect(script.last.groups).toEqual(["a: 2"]);
    await script.done(1);
    expect(script.told).toEqual(["1: publish_unknown", "2: 1@e"]);
  });

  test("hands a refusal, and the failure of one group, to those it is for", async () => {
    const script = new OutboxScript();
    script.add(a, "1");
    script.add(b, "2");
    await script.tick();
    const error = new BrokerError(Code.internal);
    const results = [
      { ok: false as const, error },
      { ok: true as const, firstOffset: 4, epoch: "e" },
    ];
    await script.last.answer({ type: "done", results });
    script.add(a, "3");
    await script.tick();
    await script.last.answer({ type: "refused", error: new BrokerError(Code.unavailable) });
    script.add(a, "4");
    await script.tick();
    await script.last.answer({ type: "forgotten" });
    expect(script.told).toEqual(["1: internal", "2: 4@e", "3: unavailable", "4: publish_unknown"]);
    expect(script.outbox.size).toBe(0);
  });

  test("does not send again what must not be numbered", async () => {
    const script = new OutboxScript({ isRetried: false });
    script.add(a, "1");
    await script.tick();
    await script.last.answer({ type: "unsent" });
    await script.advance(50);
    await script.last.answer({ type: "unknown" });
    await script.advance(1000);
    expect(script.attempts).toHaveLength(2);
    expect(script.told).toEqual(["1: publish_unknown"]);
  });

  test("refuses with too_many_requests at either bound, and has room again after", async () => {
    const small = new OutboxScript({ maxPublications: 3 });
    for (const text of ["1", "2", "3"]) expect(small.add(a, text)).toBeNull();
    const refusal = small.add(a, "4");
    expect(refusal?.info.name).toBe("too_many_requests");
    expect(refusal?.retryAfterMs).toBeGreaterThan(0);
    await small.tick();
    await small.done(1);
    expect(small.add(a, "5")).toBeNull();

    const narrow = new OutboxScript({ maxBytes: 1000 });
    expect(narrow.add(a, "x".repeat(900))).toBeNull();
    expect(narrow.add(a, "x".repeat(100))?.info.name).toBe("too_many_requests");
    expect(narrow.add(a, "x")).toBeNull();
  });

  test("tells everybody who waits that the outcome is not known when it is stopped, once", async () => {
    const script = new OutboxScript();
    script.add(a, "1");
    await script.tick();
    script.add(a, "2");
    script.outbox.stop();
    await script.done(1);
    await script.advance(10_000);
    script.outbox.expire();
    expect(script.told).toEqual(["1: publish_unknown", "2: publish_unknown"]);
    expect(script.outbox.size).toBe(0);
  });
});
