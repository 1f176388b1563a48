import { expect, test } from "bun:test";

import { startBroker } from "../../support/broker.ts";
import { FaultProxy } from "../../support/fault-proxy.ts";
import { ProtocolClient } from "../../support/protocol-client.ts";
import { describeWithRedis } from "../../support/redis/binary.ts";
import { startRedis } from "../../support/redis/start-redis.ts";

const LIMIT_MS = 60_000;
/** Enters, and watches. */
const BOTH = 3;
/** Each way; the client is back long before Redis has told of its leaving. */
const DELAY_MS = 100;

describeWithRedis("presence over a slow Redis", () => {
  test(
    "a connection that leaves and comes back is not told of its own leave [P-7.5]",
    async () => {
      await using redis = await startRedis();
      await using proxy = await FaultProxy.start(redis.port);
      const url = `redis://127.0.0.1:${proxy.port}`;
      await using node = await startBroker({ redis: [url], presence: true });
      await using client = await ProtocolClient.connect(node.url);
      await using other = await ProtocolClient.connect(node.url);
      const isOwn = ({ connection }: { connection: string }) => connection === client.connectionId;
      await other.subscribe("chat.room", { flags: BOTH });
      await client.subscribe("chat.room", { flags: BOTH });
      await client.frame("join", isOwn);
      proxy.delay(DELAY_MS);
      await client.unsubscribe("chat.room");
      await client.subscribe("chat.room", { flags: BOTH });
      await other.frame("leave", isOwn);
      await other.until(
        () => other.frames.filter((frame) => frame.type === "join" && isOwn(frame)).length === 2,
      );
      await client.ping();
      expect(client.frames.filter((frame) => frame.type === "leave" && isOwn(frame))).toEqual([]);
    },
    LIMIT_MS,
  );
});
