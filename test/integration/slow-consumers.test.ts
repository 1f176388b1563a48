import { describe, expect, test } from "bun:test";

import type { Broker } from "../../broker/broker.ts";
import { startBroker } from "../support/broker.ts";
import { FaultProxy } from "../support/fault-proxy.ts";
import { checkContiguous } from "../support/history-checker.ts";
import { ProtocolClient, subscribeFrame } from "../support/protocol-client.ts";
import { announceSeed, Random } from "../support/random.ts";
import { StallingClient } from "../support/stalling-client.ts";

const seed = announceSeed("slow-consumers");

/** More than the system holds for one socket, in publications of a size: what makes any stalled client slow. */
const MAX_PUBLICATIONS = 2000;
const PAYLOAD_BYTES = 32 * 1024;

/** A payload whose content tells when a byte of it was changed: its CRC comes first. */
function checksummed(random: Random, size: number): Uint8Array {
  const bytes = random.bytes(size);
  new DataView(bytes.buffer).setUint32(0, Bun.hash.crc32(bytes.subarray(4)));
  return bytes;
}

function expectIntact(publications: readonly { readonly payload: Uint8Array }[]): void {
  const broken = publications.filter(({ payload }) => {
    const copy = new Uint8Array(payload);
    return new DataView(copy.buffer).getUint32(0) !== Bun.hash.crc32(copy.subarray(4));
  });
  expect(broken).toHaveLength(0);
}

/** Publishes until the condition holds; resolves to how many publications that took. */
async function publishUntil(
  publisher: ProtocolClient,
  channel: string,
  payload: () => Uint8Array,
  isDone: () => boolean,
): Promise<number> {
  for (let count = 1; count <= MAX_PUBLICATIONS; count++) {
    await publisher.publish(channel, payload());
    if (isDone()) return count;
  }
  throw new Error(`not within ${MAX_PUBLICATIONS} publications`);
}

function closesAsSlow({ api }: Broker): number {
  return api.stats.closesByCode.get("slow") ?? 0;
}

describe("a slow consumer", () => {
  for (const format of ["msgpack", "json"] as const) {
    test(`that stops reading is closed past its bound, delays nobody, and recovers by offset: ${format}`, async () => {
      const outboundBytes = 256 * 1024;
      await using node = await startBroker({ outboundBytes, historySize: MAX_PUBLICATIONS });
      const { stats } = node.broker.api;
      const random = new Random(seed);
      await using slow = await StallingClient.connect(node.url, format);
      await using fast = await ProtocolClient.connect(node.url);
      await using publisher = await ProtocolClient.connect(node.url);
      slow.send(subscribeFrame(2, "a"));
      await slow.until(() => slow.frames.length === 2);
      const { epoch } = await fast.subscribe("a");
      slow.socket.pause();
      let mostQueuedBytes = 0;
      const count = await publishUntil(
        publisher,
        "a",
        () => checksummed(random, PAYLOAD_BYTES),
        () => {
          mostQueuedBytes = Math.max(mostQueuedBytes, stats.outboundQueuedBytes);
          return closesAsSlow(node.broker) === 1;
        },
      );
      // JSON holds these payloads in base64.
      expect(mostQueuedBytes).toBeLessThanOrEqual(outboundBytes + 2 * PAYLOAD_BYTES);
      expect(stats.outboundQueuedBytes).toBe(0);
      expect(stats.dropsByReason.get("slow")).toBeGreaterThan(0);
      await fast.untilPublications(count);
      checkContiguous(fast.publications, 0);
      expectIntact(fast.publications);

      slow.socket.resume();
      expect((await slow.untilClosed()).code).toBe(4101);
      checkContiguous(slow.publications, 0);
      expectIntact(slow.publications);
      expect(slow.publications.length).toBeLessThan(count);
      await using back = await ProtocolClient.connect(node.url, { format });
      const offset = slow.publications.length;
      const subscribed = await back.subscribe("a", { recover: { epoch, offset } });
      expect(subscribed).toMatchObject({ recovered: true, count: count - offset });
      await back.untilPublications(count - offset);
      checkContiguous(back.publications, offset);
      expectIntact(back.publications);
    });

    for (const historySize of [0, 4]) {
      test(`that goes on reading within its bound gets everything in order: ${format}, history ${historySize}`, async () => {
        await using node = await startBroker({ outboundBytes: "64MiB", historySize });
        const { stats } = node.broker.api;
        const random = new Random(seed);
        await using slow = await StallingClient.connect(node.url, format);
        await using publisher = await ProtocolClient.connect(node.url);
        slow.send(subscribeFrame(2, "a"), subscribeFrame(3, "b"));
        await slow.until(() => slow.frames.length === 3);
        slow.socket.pause();
        // Of all sizes, so that queued bytes would show it if their memory were written to again.
        const sizeOf = (): number =>
          random.chance(0.5) ? random.between(4, 300) : random.between(30_000, 60_000);
        const count = await publishUntil(
          publisher,
          "a",
          () => checksummed(random, sizeOf()),
          () => stats.outboundQueuedBytes > 1024 * 1024,
        );
        for (let i = 0; i < 20; i++) await publisher.publish("b", checksummed(random, 500));
        slow.socket.resume();
        await slow.until(() => slow.publications.length === count + 20);
        const [first] = slow.publications;
        const ofA = slow.publications.filter(({ channelId }) => channelId === first?.channelId);
        expect(ofA).toHaveLength(count);
        checkContiguous(ofA, 0);
        checkContiguous(slow.publications.slice(count), 0);
        expectIntact(slow.publications);
        expect(stats.outboundQueuedBytes).toBe(0);
        expect(closesAsSlow(node.broker)).toBe(0);
        await publisher.publish("a", checksummed(random, 10));
        await slow.until(() => slow.publications.length === count + 21);
      });
    }
  }

  test("that is frozen, as behind a dead network, is closed as well, and delays nobody", async () => {
    await using node = await startBroker({ outboundBytes: 64 * 1024, historySize: 0 });
    const { stats } = node.broker.api;
    await using proxy = await FaultProxy.start(node.port);
    await using frozen = await ProtocolClient.connect(`ws://127.0.0.1:${proxy.port}`);
    await using publisher = await ProtocolClient.connect(node.url);
    await using fast = await ProtocolClient.connect(node.url);
    for (const client of [frozen, fast]) await client.subscribe("a");
    await publisher.publish("a", "before");
    await frozen.untilPublications(1);
    proxy.pause();
    const payload = new Uint8Array(PAYLOAD_BYTES);
    const count = await publishUntil(
      publisher,
      "a",
      () => payload,
      () => closesAsSlow(node.broker) === 1,
    );
    await fast.untilPublications(count + 1);
    checkContiguous(fast.publications, 0);
    expect(stats.outboundQueuedBytes).toBe(0);
    proxy.resume();
    expect((await frozen.untilClosed()).code).toBe(4101);
    checkContiguous(frozen.publications, 0);
  });

  test("that is cut off while much waits for it leaves nothing behind", async () => {
    await using node = await startBroker({ outboundBytes: "64MiB", historySize: 4 });
    const { stats } = node.broker.api;
    await using slow = await StallingClient.connect(node.url);
    await using publisher = await ProtocolClient.connect(node.url);
    await using fast = await ProtocolClient.connect(node.url);
    slow.send(subscribeFrame(2, "a", { flags: 1 }));
    await slow.until(() => slow.frames.length === 2);
    await fast.subscribe("a", { flags: 2 });
    slow.socket.pause();
    const payload = new Uint8Array(PAYLOAD_BYTES);
    const count = await publishUntil(
      publisher,
      "a",
      () => payload,
      () => stats.outboundQueuedBytes > 1024 * 1024,
    );
    slow.socket.destroy();
    await fast.frame("leave");
    expect(stats.outboundQueuedBytes).toBe(0);
    expect(stats.connectionsOpen).toBe(2);
    expect(stats.subscriptionsOpen).toBe(1);
    expect(stats.dropsByReason.get("closed")).toBeGreaterThan(0);
    await publisher.publish("a", payload);
    await fast.untilPublications(count + 1);
    checkContiguous(fast.publications, 0);
  });

  test("is closed when all of them together are past the node's budget, and the others go on", async () => {
    const outboundTotalBytes = 1024 * 1024;
    await using node = await startBroker({
      outboundBytes: outboundTotalBytes,
      outboundTotalBytes,
      historySize: 0,
      maxConnectionsPerUser: 0,
    });
    const { stats } = node.broker.api;
    await using slow = new AsyncDisposableStack();
    for (let i = 0; i < 4; i++) {
      const client = slow.use(await StallingClient.connect(node.url));
      client.send(subscribeFrame(2, "a"));
      await client.until(() => client.frames.length === 2);
      client.socket.pause();
    }
    await using fast = await ProtocolClient.connect(node.url);
    await using publisher = await ProtocolClient.connect(node.url);
    await fast.subscribe("a");
    const payload = new Uint8Array(PAYLOAD_BYTES);
    let mostQueuedBytes = 0;
    const count = await publishUntil(
      publisher,
      "a",
      () => payload,
      () => {
        mostQueuedBytes = Math.max(mostQueuedBytes, stats.outboundQueuedBytes);
        return closesAsSlow(node.broker) >= 2;
      },
    );
    expect(stats.dropsByReason.get("node-budget")).toBeGreaterThan(0);
    expect(mostQueuedBytes).toBeLessThanOrEqual(outboundTotalBytes + 4 * (PAYLOAD_BYTES + 64));
    await fast.untilPublications(count);
    checkContiguous(fast.publications, 0);
  });
});
