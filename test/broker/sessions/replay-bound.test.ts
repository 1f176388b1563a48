import { describe, expect, test } from "bun:test";

import { encodeUnsubscribe } from "../../../protocol/messages/unsubscribe.ts";
import { PlainNode } from "../../support/plain-node.ts";
import { publishFrame, subscribeFrame } from "../../support/protocol-client.ts";

const OUTBOUND_BYTES = 64 * 1024;
const HISTORY = 50;
const PAYLOAD_BYTES = 10_000;

describe("a client that asks for replays and does not read them", () => {
  for (const format of ["msgpack", "json"] as const) {
    test(`is told to read first, so that what waits for it is bounded: ${format}`, async () => {
      const node = new PlainNode({ outboundBytes: OUTBOUND_BYTES, historySize: HISTORY });
      const publisher = await node.connect();
      const payload = new Uint8Array(PAYLOAD_BYTES).fill(0x61);
      for (let i = 0; i < HISTORY; i++) publisher.send(publishFrame(0, "a", payload));
      await node.settle();
      const client = await node.connect(format);
      client.stopReading();
      const asked = 20;
      for (let i = 0; i < asked; i++) {
        client.send(
          subscribeFrame(100 + i, "a", { recover: HISTORY }),
          encodeUnsubscribe({ id: 200 + i, channel: "a" }),
        );
        await node.settle();
      }
      client.resumeReading();
      await node.settle();
      const replies = client.frames.filter((frame) => "id" in frame && frame.id >= 100);
      const refused = replies.filter(
        (frame) => frame.type === "error" && frame.id < 200 && frame.code === 4103,
      );
      const replayed = client.frames.filter(({ type }) => type === "publication").length;
      // One replay may be longer than the bound; the next has to wait for it.
      expect(replayed).toBeLessThanOrEqual(3 * HISTORY);
      expect(refused).toHaveLength(asked - replayed / HISTORY);
      expect(refused.every((frame) => frame.type === "error" && frame.retryAfterMs !== null)).toBe(
        true,
      );
      expect(node.stats.outboundQueuedBytes).toBe(0);
      expect(node.stats.subscriptionsOpen).toBe(0);
      // Having read, it may ask again.
      client.send(subscribeFrame(300, "a", { recover: HISTORY }));
      await node.settle();
      expect(client.frames.at(-1)).toMatchObject({ type: "publication", offset: HISTORY });
    });
  }
});
