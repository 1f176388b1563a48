import { Keys } from "../../../broker/engine/redis/keys.ts";
import { slotOf } from "../../../broker/engine/redis/partition-map.ts";
import { ProtocolClient } from "../../support/protocol-client.ts";
import type { RedisServer } from "../../support/redis/redis-server.ts";
import { startNode } from "../chaos-node.ts";
import { startTopology } from "../redis-topology.ts";
import type { RedisTopology } from "../redis-topology.ts";
import type { Figure } from "./figure.ts";

const ROUNDS = 8;
const CHANNEL = "market.xrp";
const PUBLISH_EVERY_MS = 10;
const KEYS = new Keys("tw", 64);
/** A vote of the Sentinels that ended in a tie is held again after twice this. */
const SENTINEL_TIMEOUT_MS = 1_500;

/**
 * The master of a channel is killed while a client publishes on it every 10 ms. Publishing is back with the first
 * acknowledgement of a publication that was sent after the kill. Of that, `ours` is what follows the promotion of the
 * replica: the rest is Redis finding out.
 */
export async function publishingBack(name: "sentinel" | "cluster"): Promise<Figure[]> {
  await using topology = await startTopology(name, { failoverTimeoutMs: SENTINEL_TIMEOUT_MS });
  await using node = await startNode("figures", { ...topology.config(0), historySize: 1000 });
  await using client = await ProtocolClient.connect(node.url());
  const samples: number[] = [];
  const ours: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    await untilWhole(topology);
    await client.publish(CHANNEL, "before");
    const master = await masterOf(topology);
    // A Sentinel looks every second: the death comes anywhere in between.
    await Bun.sleep((round / ROUNDS) * 1000);
    const killedMs = performance.now();
    await master.kill9();
    const [backMs, promotedMs] = await Promise.all([firstAck(client), promotion(topology, master)]);
    samples.push(backMs - killedMs);
    ours.push(Math.max(0, backMs - promotedMs));
    await master.restart();
  }
  const kill = `${name}, master killed`;
  const how = "from the kill to the first acknowledgement of what was published after it";
  return [
    { name: `${kill}: publishing back`, how, samples, unit: "ms", target: 5000 },
    {
      name: `${kill}: of that after the promotion`,
      how: "from when a Sentinel, or a node of the cluster, names the new master",
      samples: ours,
      unit: "ms",
      target: 1000,
    },
  ];
}

/** When the first publication was acknowledged (performance.now()). */
async function firstAck(client: ProtocolClient): Promise<number> {
  const acked = Promise.withResolvers<number>();
  const state = { isAcked: false };
  const publish = async (): Promise<void> => {
    try {
      await client.publish(CHANNEL, "after");
      acked.resolve(performance.now());
      state.isAcked = true;
    } catch {
      // Refused or unknown: the next one tells.
    }
  };
  while (!state.isAcked) {
    void publish();
    await Bun.sleep(PUBLISH_EVERY_MS);
  }
  return acked.promise;
}

/** When another server took over (performance.now()). */
async function promotion(topology: RedisTopology, dead: RedisServer): Promise<number> {
  for (;;) {
    for (const server of topology.servers) {
      if (server === dead || !server.isRunning) continue;
      // A server's connections are cut when it is made the master: the next look tells.
      if (await hasTakenOver(topology, server).catch(() => false)) return performance.now();
    }
    await Bun.sleep(2);
  }
}

async function hasTakenOver({ sentinel }: RedisTopology, server: RedisServer): Promise<boolean> {
  if (sentinel !== null) {
    const command = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", sentinel.masterName];
    const [reply] = await Promise.all(sentinel.sentinels.map((one) => one.command(...command)));
    return Array.isArray(reply) && Number(reply[1]) === server.port;
  }
  const slot = slotOf(KEYS.tag(KEYS.partition(CHANNEL)));
  const rows = (await server.command("CLUSTER", "SLOTS")) as [number, number, [string, number]][];
  const row = rows.find(([from, to]) => from <= slot && slot <= to);
  return row !== undefined && row[2][1] === server.port;
}

async function masterOf({ sentinel, cluster }: RedisTopology): Promise<RedisServer> {
  if (sentinel !== null) return sentinel.master();
  if (cluster === null) throw new Error("nobody takes over here");
  return cluster.masterOf(slotOf(KEYS.tag(KEYS.partition(CHANNEL))));
}

async function untilWhole({ sentinel, cluster }: RedisTopology): Promise<void> {
  await sentinel?.untilReplicating();
  await cluster?.untilOk();
}
