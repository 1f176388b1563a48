/**
 * The generator against servers that really misbehave: each is a Bun WebSocket server with the reference's
 * manners and one fault, and each must be found out.
 */
import { describe, expect, test } from "bun:test";

import type { LoadJob, Pace } from "../../bench/load/job.ts";
import { runLoad } from "../../bench/load/run-load.ts";

interface Connection {
  readonly topic: string;
  readonly isSubscriber: boolean;
}

type Publish = (payload: Buffer) => void;

/** What a server does with the n-th message (from 1). */
type Behaviour = (publish: Publish, payload: Buffer, n: number) => void;

function startServer(behave: Behaviour) {
  let count = 0;
  const server = Bun.serve<Connection>({
    hostname: "127.0.0.1",
    port: 0,
    fetch(request, self) {
      const query = new URL(request.url).searchParams;
      const topic = query.get("topic") ?? "";
      const isSubscriber = query.get("role") === "subscriber";
      return self.upgrade(request, { data: { topic, isSubscriber } }) ? undefined : new Response();
    },
    websocket: {
      open(ws) {
        if (ws.data.isSubscriber) ws.subscribe(ws.data.topic);
      },
      message(ws, message) {
        behave((bytes) => void server.publish(ws.data.topic, bytes), Buffer.from(message), ++count);
      },
    },
  });
  return server;
}

const closed: Pace = { type: "closed", windowSize: 4 };

function job(port: number | undefined, changes: Partial<LoadJob> = {}): LoadJob {
  return {
    dialect: "bare",
    hostname: "127.0.0.1",
    port: port ?? 0,
    brokerPid: process.pid,
    access: { type: "anonymous" },
    publishers: 2,
    subscribersPerChannel: 3,
    payloadBytes: 64,
    framesPerMessage: 1,
    pace: closed,
    warmUpMs: 10,
    measureMs: 30,
    // These servers pass on at once or never, so nothing is worth waiting for.
    maxSilenceMs: 0,
    subscribeAt: null,
    redisUrls: [],
    ...changes,
  };
}

/** The message of what a promise rejects with. */
function failureOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => "no failure",
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  );
}

const faithful: Behaviour = (publish, payload) => publish(payload);

describe("a faithful server", () => {
  test("is measured in a closed loop", async () => {
    let published = 0;
    using server = startServer((publish, payload, n) => {
      published = n;
      publish(payload);
    });
    const result = await runLoad(job(server.port));
    expect(result.faults).toEqual({
      lost: 0,
      duplicated: 0,
      inverted: 0,
      corrupt: 0,
      first: null,
    });
    expect(published).toBeGreaterThan(0);
    expect(result.deliveries).toBeLessThanOrEqual(published * 3);
    expect(result.latency).toBeNull();
  });

  test("gets publications by the clock in an open loop, and every delivery is timed", async () => {
    using server = startServer(faithful);
    const pace: Pace = { type: "open", publicationsPerSecond: 2000 };
    const result = await runLoad(job(server.port, { pace }));
    expect(result.faults.first).toBeNull();
    const { latency, lateness } = result;
    if (latency === null || lateness === null) throw new Error("an open loop measures latency");
    // Three subscribers get each publication whose sending was timed.
    expect(latency.count).toBe(lateness.count * 3);
    expect(latency.count).toBeGreaterThan(0);
    expect(latency.p50Us).toBeLessThanOrEqual(latency.p99Us);
    expect(latency.p99Us).toBeLessThanOrEqual(latency.maxUs);
  });

  test("never has more publications out than the window allows", async () => {
    let out = 0;
    let most = 0;
    const held: (() => void)[] = [];
    using server = startServer((publish, payload) => {
      most = Math.max(most, ++out);
      held.push(() => {
        out--;
        publish(payload);
      });
      // Everything that is out is let go together, in a later turn, when the window must be full.
      if (held.length === 1) setImmediate(() => held.splice(0).forEach((release) => release()));
    });
    const result = await runLoad(job(server.port, { publishers: 1, subscribersPerChannel: 2 }));
    expect(result.faults.first).toBeNull();
    expect(most).toBe(4);
  });
});

describe("a server that", () => {
  const cases: Readonly<Record<string, [Behaviour, object]>> = {
    "loses one": [
      (publish, payload, n) => {
        if (n !== 5) publish(payload);
      },
      { lost: 3, duplicated: 0, inverted: 0, corrupt: 0 },
    ],
    "delivers one twice": [
      (publish, payload, n) => {
        publish(payload);
        if (n === 5) publish(payload);
      },
      { lost: 0, duplicated: 3, inverted: 0, corrupt: 0 },
    ],
    "cuts one short": [
      (publish, payload, n) => publish(n === 5 ? payload.subarray(0, 63) : payload),
      { lost: 3, duplicated: 0, inverted: 0, corrupt: 3 },
    ],
    "overwrites the end of one": [
      (publish, payload, n) => {
        const last = payload.length - 1;
        if (n === 5) payload.writeUInt8(payload.readUInt8(last) ^ 1, last);
        publish(payload);
      },
      { lost: 3, corrupt: 3 },
    ],
  };
  for (const [what, [behave, faults]] of Object.entries(cases)) {
    test(`${what} is found out`, async () => {
      using server = startServer(behave);
      const result = await runLoad(job(server.port));
      expect(result.faults).toMatchObject(faults);
      expect(result.faults.first).toContain("publisher");
    });
  }

  test("swaps two is found out", async () => {
    let held: Buffer | null = null;
    using server = startServer((publish, payload, n) => {
      if (n === 2) held = payload;
      else publish(payload);
      if (n === 3 && held !== null) publish(held);
    });
    const result = await runLoad(job(server.port, { publishers: 1 }));
    expect(result.faults).toMatchObject({ lost: 0, duplicated: 0, inverted: 3, corrupt: 0 });
  });

  test("refuses the upgrade makes the cell fail with its answer", async () => {
    using server = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch: () => new Response(null, { status: 503 }),
    });
    expect(await failureOf(runLoad(job(server.port)))).toContain("upgrade refused: HTTP/1.1 503");
  });

  test("closes a connection makes the cell fail with the code", async () => {
    using server = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch: (request, self) => (self.upgrade(request) ? undefined : new Response()),
      websocket: { message: (ws) => ws.close(4100, "slow") },
    });
    expect(await failureOf(runLoad(job(server.port)))).toContain("4100 slow");
  });
});
