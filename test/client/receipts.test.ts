import { describe, expect, test } from "bun:test";

import { TickwireClient } from "../../client/index.ts";
import { Code as Codes } from "../../protocol/codes.ts";
import type { ConnectionLimits } from "../../protocol/messages/connected.ts";
import { EMPTY_META } from "../../protocol/messages/meta.ts";
import { encodePong } from "../../protocol/messages/ping.ts";
import { encodePublication } from "../../protocol/messages/publication.ts";
import type { ReceiptCommand } from "../../protocol/messages/receipt.ts";
import { startBroker } from "../support/broker.ts";
import { ManualClock } from "../support/manual-clock.ts";
import type { PeerConnection } from "../support/scripted-peer.ts";
import {
  answerSubscribe,
  connectedPair,
  Deliveries,
  publications,
} from "../support/subscribed-client.ts";
import type { Pair } from "../support/subscribed-client.ts";

const INTERVAL_MS = 10_000;
const SLOW_MS = 250;
/** How far the peer's clock is ahead of the client's, ms. */
const AHEAD_MS = 5000;

interface Subscribed extends Pair {
  readonly clock: ManualClock;
  readonly deliveries: Deliveries;
}

/** Subscribed to channel 1, at offset 10 and by a broker that asks for receipts. */
async function subscribed(
  limits: Partial<ConnectionLimits> = {},
  random: () => number = () => 0.5,
): Promise<Subscribed> {
  const clock = new ManualClock();
  const asked = { receiptIntervalMs: INTERVAL_MS, slowMs: SLOW_MS, ...limits };
  const pair = await connectedPair(
    { clock, random },
    { limits: asked, serverTimeMs: clock.wallMs() + AHEAD_MS },
  );
  const deliveries = new Deliveries();
  const subscription = pair.client.subscribe("a", {}, deliveries.take);
  await answerSubscribe(pair.connection, { offset: 10 });
  await subscription.ready();
  return { ...pair, clock, deliveries };
}

/** Answers the next ping after so long a round trip. */
async function answerPing(
  connection: PeerConnection,
  clock: ManualClock,
  rttMs: number,
): Promise<void> {
  const { id, clientTimeMs } = await connection.next("ping");
  const serverTimeMs = clock.wallMs() + AHEAD_MS + rttMs / 2;
  clock.advance(rttMs);
  connection.send(encodePong({ id, clientTimeMs, serverTimeMs }));
}

/** A publication of channel 1 that says when it was accepted. */
function timed(offset: number, timeMs: number) {
  const meta = { ...EMPTY_META, timeMs };
  return encodePublication({ channelId: 1, offset, payload: Uint8Array.of(1), meta });
}

function receipts({ untaken }: PeerConnection): ReceiptCommand[] {
  return untaken.filter((command) => command.type === "receipt");
}

describe("receipts", () => {
  test("come once in an interval, for the newest publication, on the broker's clock", async () => {
    await using pair = await subscribed();
    const { connection, clock, deliveries } = pair;
    connection.send(...publications(1, 11));
    await deliveries.count(1);
    expect(connection.untaken).toEqual([]);
    // The first is due at a random moment, and begins with a look at the clock.
    clock.advance(INTERVAL_MS / 2);
    await answerPing(connection, clock, 8);
    connection.send(...publications(1, 12, 13, 14));
    expect(await connection.next("receipt")).toEqual({
      type: "receipt",
      id: 0,
      channelId: 1,
      offset: 12,
      receivedAtMs: clock.wallMs() + AHEAD_MS,
      // Half a millisecond is what clocks drift apart in 5 s; the connect reply had come at once.
      uncertaintyMs: 1,
    });
    await deliveries.count(4);
    clock.advance(INTERVAL_MS - 1);
    connection.send(...publications(1, 15));
    await deliveries.count(5);
    expect(connection.untaken).toEqual([]);
    clock.advance(1);
    await answerPing(connection, clock, 2);
    connection.send(...publications(1, 16));
    expect(await connection.next("receipt")).toMatchObject({ offset: 16, uncertaintyMs: 1 });
  });

  test.each([
    [16, 8],
    // A worse one does not take the place of the first, which was doubted by 10 ms when it came.
    [40, 11],
  ])("after a ping of %p ms may be wrong by %p ms", async (rttMs, uncertaintyMs) => {
    const limits = { receiptIntervalMs: 1_000_000, pingIntervalMs: 1_000_000 };
    await using pair = await subscribed(limits, () => 0.1);
    const { connection, clock } = pair;
    clock.advance(100_000);
    await answerPing(connection, clock, rttMs);
    connection.send(...publications(1, 11));
    expect(await connection.next("receipt")).toMatchObject({ uncertaintyMs });
  });

  test.each([[0], [null]])("do not come to a broker whose interval is %p", async (interval) => {
    await using pair = await subscribed({ receiptIntervalMs: interval });
    const { connection, clock, deliveries } = pair;
    clock.advance(20_000);
    connection.send(timed(11, clock.wallMs() + AHEAD_MS - 60_000), ...publications(1, 12));
    await deliveries.count(2);
    expect(connection.untaken).toEqual([]);
  });

  test("begin anew with every connection, whose clock is another's", async () => {
    await using pair = await subscribed({}, () => 0);
    const { connection, clock, peer } = pair;
    clock.advance(0);
    await connection.next("ping");
    connection.cut();
    await clock.untilTimer(0);
    clock.advance(0);
    const second = await peer.connection();
    const limits = { receiptIntervalMs: INTERVAL_MS, slowMs: SLOW_MS };
    await second.accept({ limits, serverTimeMs: clock.wallMs() - 777 });
    await answerSubscribe(second, { offset: 10, recovered: true });
    await clock.untilTimer(0);
    clock.advance(0);
    const { id } = await second.next("ping");
    second.fail(id, Codes.internal);
    second.send(...publications(1, 11));
    const { receivedAtMs } = await second.next("receipt");
    expect(receivedAtMs).toBe(clock.wallMs() - 777);
  });
});

describe("a publication that took too long", () => {
  test("is told of at once, but not more than one in a second", async () => {
    await using pair = await subscribed();
    const { connection, clock, deliveries } = pair;
    const brokerMs = (): number => clock.wallMs() + AHEAD_MS;
    connection.send(timed(11, brokerMs() - SLOW_MS));
    await deliveries.count(1);
    expect(receipts(connection)).toEqual([]);
    connection.send(timed(12, brokerMs() - SLOW_MS - 1));
    expect(await connection.next("receipt")).toMatchObject({
      offset: 12,
      receivedAtMs: brokerMs(),
    });
    clock.advance(999);
    connection.send(timed(13, brokerMs() - 1000));
    await deliveries.count(3);
    expect(receipts(connection)).toEqual([]);
    clock.advance(1);
    connection.send(timed(14, brokerMs() - 1000));
    expect(await connection.next("receipt")).toMatchObject({ offset: 14 });
  });

  test("is none when it comes from history", async () => {
    await using pair = await subscribed();
    const { connection, clock } = pair;
    const old = clock.wallMs() + AHEAD_MS - 60_000;
    const deliveries = new Deliveries();
    pair.client.subscribe("b", { recover: { last: 2 } }, deliveries.take);
    const { id } = await connection.next("subscribe");
    const meta = { ...EMPTY_META, timeMs: old };
    const past = [4, 5].map((offset) =>
      encodePublication({ channelId: 2, offset, payload: Uint8Array.of(1), meta }),
    );
    connection.ok(id, [2, "e", 5, false, 2]);
    connection.send(...past);
    await deliveries.count(2);
    expect(receipts(connection)).toEqual([]);
    connection.send(
      encodePublication({ channelId: 2, offset: 6, payload: Uint8Array.of(1), meta }),
    );
    expect(await connection.next("receipt")).toMatchObject({ channelId: 2, offset: 6 });
  });

  test("is none when the client's clock may as well be wrong", async () => {
    await using pair = await subscribed({ receiptIntervalMs: 100_000 });
    const { connection, clock, deliveries } = pair;
    const late = (): number => clock.wallMs() + AHEAD_MS - SLOW_MS - 1;
    // Nothing heard of the broker's clock for 20 s: 2 ms of doubt.
    clock.advance(20_000);
    connection.send(timed(11, late()));
    await deliveries.count(1);
    expect(receipts(connection)).toEqual([]);
    connection.send(timed(12, late() - 2));
    expect(await connection.next("receipt")).toMatchObject({ offset: 12, uncertaintyMs: 2 });
  });
});

test("a real broker finds what receipts tell of, and measures with them", async () => {
  await using node = await startBroker({ receiptIntervalMs: 1 });
  await using client = new TickwireClient(node.url);
  const deliveries = new Deliveries();
  await client.subscribe("a", {}, deliveries.take).ready();
  const measured = (): number => {
    const { good, poor } = node.broker.api.stats.tracing.e2e;
    return good.count + poor.count;
  };
  while (measured() === 0) {
    await client.publish("a", 1);
    await client.ping();
  }
  const { receipts: told, tracing } = node.broker.api.stats;
  expect(told).toBeGreaterThan(0);
  expect(tracing.receiptsUnmatched).toBe(0);
  expect(tracing.e2e.good.count).toBeGreaterThan(0);
});
