import { afterAll, beforeAll, expect, test } from "bun:test";

import { failureOf } from "../support/failure.ts";
import { describeWithRedis } from "../support/redis/binary.ts";
import type { RedisCluster } from "../support/redis/cluster.ts";
import { processesOf } from "../support/redis/process-state.ts";
import type { RedisServer } from "../support/redis/redis-server.ts";
import { RespConnection } from "../support/redis/resp-connection.ts";
import { RedisReplyError } from "../support/redis/resp.ts";
import type { Argument, Reply } from "../support/redis/resp.ts";
import { startCluster } from "../support/redis/start-cluster.ts";

const LIMIT_MS = 60_000;
const LAST_SLOT = 16_383;

describeWithRedis("a cluster of three masters and three replicas", () => {
  let cluster: RedisCluster;
  beforeAll(async () => {
    cluster = await startCluster();
  }, LIMIT_MS);
  afterAll(() => cluster[Symbol.asyncDispose](), LIMIT_MS);

  test("serves every slot, and replicates", async () => {
    const owners = [0, 8_000, LAST_SLOT].map((slot) => cluster.masterOf(slot));
    const masters = await Promise.all(owners);
    expect(new Set(masters).size).toBe(3);
    for (const master of masters) {
      const [replica, ...others] = await cluster.replicasOf(master);
      expect(others).toEqual([]);
      expect(cluster.nodes).toContain(replica as RedisServer);
      expect(masters).not.toContain(replica as RedisServer);
    }
    const slot = await cluster.slotOf("key");
    const master = await cluster.masterOf(slot);
    expect(await master.command("SET", "key", "value")).toBe("OK");
    const other = masters.find((node) => node !== master) as RedisServer;
    const moved = `MOVED ${slot} ${master.host}:${master.port}`;
    expect(String(await failureOf(other.command("GET", "key")))).toContain(moved);
  });

  test("carries a sharded publication from the master of its slot to a subscriber there", async () => {
    const master = await cluster.masterOf(await cluster.slotOf("channel"));
    using subscriber = await RespConnection.open(master.address);
    expect(await subscriber.command("SSUBSCRIBE", "channel")).toEqual(["ssubscribe", "channel", 1]);
    expect(await master.command("SPUBLISH", "channel", "hello")).toBe(1);
  });

  test(
    "moves a slot while it is written to, and loses nothing",
    async () => {
      const slot = await cluster.slotOf("{moving}");
      const from = await cluster.masterOf(slot);
      const to = await cluster.masterOf((slot + LAST_SLOT / 2) & LAST_SLOT);
      expect(to).not.toBe(from);
      for (let index = 0; index < 250; index++) {
        await from.command("SET", `{moving}${index}`, index);
      }
      const writer = new Writer(cluster, slot);
      await writer.untilAcknowledged(20);
      await cluster.migrateSlot(slot, to);
      await writer.untilAcknowledged(writer.acknowledgedCount + 20);
      const acknowledged = await writer.stop();
      expect(await cluster.masterOf(slot)).toBe(to);
      expect(await to.command("GET", "{moving}count")).toBe(String(acknowledged));
      expect(await to.command("CLUSTER", "COUNTKEYSINSLOT", slot)).toBe(251);
      expect(await from.command("CLUSTER", "COUNTKEYSINSLOT", slot)).toBe(0);
    },
    LIMIT_MS,
  );

  test(
    "hands a master over to its replica on request, and loses nothing",
    async () => {
      const slot = await cluster.slotOf("{handed-over}");
      const old = await cluster.masterOf(slot);
      await old.command("SET", "{handed-over}", "value");
      const promoted = await cluster.failover(slot);
      expect(promoted).not.toBe(old);
      expect(await cluster.masterOf(slot)).toBe(promoted);
      expect(await promoted.command("GET", "{handed-over}")).toBe("value");
      expect(await cluster.replicasOf(promoted)).toEqual([old]);
    },
    LIMIT_MS,
  );

  test(
    "replaces a master that is killed, and takes it back as a replica",
    async () => {
      const slot = await cluster.slotOf("{killed}");
      const killed = await cluster.killMasterOf(slot);
      expect(killed.isRunning).toBe(false);
      const successor = await cluster.masterOf(slot);
      expect(successor).not.toBe(killed);
      await cluster.untilOk();
      expect(await successor.command("SET", "{killed}", "value")).toBe("OK");
      await killed.restart();
      await cluster.untilOk();
      expect(await cluster.replicasOf(successor)).toEqual([killed]);
    },
    LIMIT_MS,
  );

  test(
    "can lose just the last acknowledged writes",
    async () => {
      const slot = await cluster.slotOf("{lost}");
      const old = await cluster.masterOf(slot);
      const write = async (count: number) => {
        for (let round = 0; round < count; round++) await old.command("INCR", "{lost}");
      };
      await write(5);
      const promoted = await cluster.failoverLosingTail(slot, () => write(3));
      expect(old.isRunning).toBe(false);
      expect(await cluster.masterOf(slot)).toBe(promoted);
      expect(await promoted.command("GET", "{lost}")).toBe("5");
    },
    LIMIT_MS,
  );
});

describeWithRedis("a cluster without replicas", () => {
  test(
    "starts, keeps its slots over a restart with an append-only file, and leaves nothing behind",
    async () => {
      const cluster = await startCluster({ hasReplicas: false, appendonly: true });
      const folders = cluster.nodes.map(({ folder }) => folder);
      expect(folders.length).toBe(3);
      const slot = await cluster.slotOf("key");
      const master = await cluster.masterOf(slot);
      await master.command("SET", "key", "value");
      await master.restart();
      await cluster.untilOk();
      expect(await cluster.masterOf(slot)).toBe(master);
      expect(await master.command("GET", "key")).toBe("value");
      await cluster[Symbol.asyncDispose]();
      expect(folders.flatMap((folder) => processesOf(folder))).toEqual([]);
    },
    LIMIT_MS,
  );
});

/** Increments a counter in the slot being moved, all the time, and follows where the nodes send it. */
class Writer {
  readonly #cluster: RedisCluster;
  readonly #done: Promise<void>;
  #isStopping = false;
  acknowledgedCount = 0;

  constructor(cluster: RedisCluster, slot: number) {
    this.#cluster = cluster;
    this.#done = this.#run(slot);
  }

  async untilAcknowledged(count: number): Promise<void> {
    await this.#cluster.nodes[0]?.waitFor(() => this.acknowledgedCount >= count);
  }

  async stop(): Promise<number> {
    this.#isStopping = true;
    await this.#done;
    return this.acknowledgedCount;
  }

  async #run(slot: number): Promise<void> {
    let node = await this.#cluster.masterOf(slot);
    while (!this.#isStopping) {
      try {
        await node.command("INCR", "{moving}count");
      } catch (error) {
        const { code, port } = redirectionOf(error);
        node = this.#cluster.nodes.find((one) => one.port === port) as RedisServer;
        if (code === "MOVED") continue;
        await asking(node, "INCR", "{moving}count");
      }
      this.acknowledgedCount++;
    }
  }
}

/** Reads `MOVED <slot> <host:port>` and `ASK <slot> <host:port>`. */
function redirectionOf(error: unknown): { code: string; port: number } {
  if (!(error instanceof RedisReplyError)) throw error;
  return { code: error.code, port: Number(/:(\d+)$/.exec(error.message)?.[1]) };
}

async function asking(node: RedisServer, ...command: Argument[]): Promise<Reply> {
  using connection = await RespConnection.open(node.address);
  const [, reply] = await Promise.all([
    connection.command("ASKING"),
    connection.command(...command),
  ]);
  return reply;
}
