import { expect, test } from "bun:test";

import type { WebSocketClass } from "../../client/index.ts";
import { refusal } from "../support/client-events.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { connectedPair } from "../support/subscribed-client.ts";

/* A network slower than the publisher. */

/** A socket that says how much it has not written yet, as a slow network would make it. */
function slowSocket(): { WebSocket: WebSocketClass; buffered: { bytes: number } } {
  const buffered = { bytes: 0 };
  class SlowSocket extends WebSocket {
    override get bufferedAmount(): number {
      return buffered.bytes;
    }
  }
  return { WebSocket: SlowSocket as unknown as WebSocketClass, buffered };
}

test("a slow network is seen by bufferedBytes, and refused past the bound", async () => {
  const { WebSocket: SlowSocket, buffered } = slowSocket();
  await using pair = await connectedPair({ WebSocket: SlowSocket, maxBufferedBytes: 10_000 });
  const { client } = pair;
  buffered.bytes = 9000;
  expect(client.bufferedBytes).toBe(9000);
  expect(client.send("a", new Uint8Array(500))).toBe(true);
  expect(client.bufferedBytes).toBeGreaterThan(9500);
  expect(client.send("a", new Uint8Array(1000))).toBe(false);
  expect(await refusal(client.publish("a", new Uint8Array(1000)))).toMatchObject({
    code: "queue_full",
  });
  buffered.bytes = 0;
  expect(client.send("a", new Uint8Array(1000))).toBe(true);
});

test("an empty socket takes one publication of any size", async () => {
  await using pair = await connectedPair({ maxBufferedBytes: 100 });
  expect(pair.client.send("a", new Uint8Array(5000))).toBe(true);
  await pair.connection.next("publish");
});

test("drained waits until little is left", async () => {
  const { WebSocket: SlowSocket, buffered } = slowSocket();
  const clock = new ManualClock();
  await using pair = await connectedPair({ WebSocket: SlowSocket, clock });
  buffered.bytes = 1_000_000;
  let isDrained = false;
  const drained = pair.client.drained().then(() => (isDrained = true));
  await clock.untilTimer(10);
  clock.advance(10);
  await clock.untilTimer(10);
  expect(isDrained).toBe(false);
  buffered.bytes = 60_000;
  clock.advance(10);
  await drained;
});

test("drained rejects when the client is closed", async () => {
  const { WebSocket: SlowSocket, buffered } = slowSocket();
  const clock = new ManualClock();
  await using pair = await connectedPair({ WebSocket: SlowSocket, clock });
  buffered.bytes = 1_000_000;
  const drained = refusal(pair.client.drained());
  await clock.untilTimer(10);
  await pair.client.close();
  clock.advance(10);
  expect(await drained).toMatchObject({ code: "closed" });
});
