import type { RedisServer } from "../support/redis/redis-server.ts";
import type { ChaosRound } from "./chaos-round.ts";
import type { RedisTopology, TopologyName } from "./redis-topology.ts";

export interface NemesisContext {
  readonly topology: RedisTopology;
  readonly round: ChaosRound;
  /** Which server, slot or node is hit: a whole number from 0 on. */
  readonly target: number;
  /** Lets a fault last. */
  hold(): Promise<void>;
}

/** Does harm, and resolves when the fault is over. What it broke may take longer to be whole again. */
export interface Nemesis {
  readonly topologies: readonly TopologyName[];
  run(context: NemesisContext): Promise<void>;
}

const PLAIN = ["single", "shards"] as const;
const ALL = ["single", "shards", "sentinel", "cluster"] as const;

/** A server that takes writes. */
async function master({ topology, target }: NemesisContext): Promise<RedisServer> {
  const { sentinel, cluster, servers } = topology;
  if (sentinel !== null) return sentinel.master();
  if (cluster !== null) return cluster.masterOf(slotOf(target));
  return servers[target % servers.length] as RedisServer;
}

/** Slots all over the space. */
function slotOf(target: number): number {
  return (target * 5471 + 100) % 16_384;
}

async function withSetting(
  context: NemesisContext,
  name: string,
  value: string,
  usual: string,
): Promise<void> {
  const server = await master(context);
  await server.command("CONFIG", "SET", name, value);
  await context.hold();
  await server.command("CONFIG", "SET", name, usual);
}

/** The proxies of one broker. */
function proxiesOf({ topology, target }: NemesisContext) {
  const { proxies } = topology;
  return proxies[target % proxies.length] ?? [];
}

export const NEMESES = {
  /** With an append-only file everything is there again; without, nothing. */
  redisKilled: {
    topologies: PLAIN,
    run: async (context) => {
      await (await master(context)).restart();
    },
  },
  redisStopped: {
    topologies: ALL,
    run: async (context) => {
      const server = await master(context);
      await server.stop();
      await context.hold();
      await server.resume();
    },
  },
  subscribersCut: {
    topologies: ALL,
    run: async (context) => {
      await (await master(context)).command("CLIENT", "KILL", "TYPE", "pubsub");
    },
  },
  connectionsCut: {
    topologies: ALL,
    run: async (context) => {
      await (await master(context)).command("CLIENT", "KILL", "TYPE", "normal");
    },
  },
  scriptsForgotten: {
    topologies: ALL,
    run: async (context) => {
      await (await master(context)).command("SCRIPT", "FLUSH");
    },
  },
  everythingFlushed: {
    topologies: ALL,
    run: async (context) => {
      await (await master(context)).command("FLUSHALL");
    },
  },
  positionsEvicted: {
    topologies: ALL,
    run: async (context) => {
      const server = await master(context);
      const keys = (await server.command("KEYS", "*:m:*")) as string[];
      // The slots of a cluster are dropped one by one.
      for (const key of keys.slice(0, 5)) await server.command("DEL", key);
    },
  },
  historyEvicted: {
    topologies: ALL,
    run: async (context) => {
      const server = await master(context);
      const keys = (await server.command("KEYS", "*:h:*")) as string[];
      for (const key of keys.slice(0, 5)) await server.command("DEL", key);
    },
  },
  memoryFull: {
    topologies: ALL,
    run: (context) => withSetting(context, "maxmemory", "1", "0"),
  },
  replicasMissing: {
    topologies: ALL,
    run: (context) => withSetting(context, "min-replicas-to-write", "5", "0"),
  },
  brokerBlackHoled: {
    topologies: PLAIN,
    run: async (context) => {
      const proxies = proxiesOf(context);
      for (const proxy of proxies) proxy.blackHole();
      await context.hold();
      for (const proxy of proxies) proxy.heal();
    },
  },
  nothingReceived: {
    topologies: PLAIN,
    run: async (context) => {
      const proxies = proxiesOf(context);
      for (const proxy of proxies) proxy.halfOpen("toClient");
      await context.hold();
      for (const proxy of proxies) proxy.heal();
    },
  },
  repliesLost: {
    topologies: PLAIN,
    run: async (context) => {
      const proxies = proxiesOf(context);
      for (const proxy of proxies) proxy.dropReplies();
      await context.hold();
      for (const proxy of proxies) proxy.heal();
    },
  },
  brokerCutOff: {
    topologies: PLAIN,
    run: async (context) => {
      const proxies = proxiesOf(context);
      for (const proxy of proxies) proxy.reset();
      await context.hold();
      for (const proxy of proxies) proxy.heal();
    },
  },
  brokerDelayed: {
    topologies: PLAIN,
    run: async (context) => {
      const proxies = proxiesOf(context);
      for (const proxy of proxies) proxy.delay(100);
      await context.hold();
      for (const proxy of proxies) proxy.heal();
    },
  },
  /** In the midst of what it carries: replies and messages end anywhere. */
  streamsCut: {
    topologies: PLAIN,
    run: async (context) => {
      const proxies = proxiesOf(context);
      for (const proxy of proxies) proxy.cutAfter(5000 + (context.target % 997), "toClient");
      await context.hold();
      for (const proxy of proxies) proxy.heal();
    },
  },
  handedOver: {
    topologies: ["sentinel", "cluster"],
    run: async ({ topology: { sentinel, cluster }, target }) => {
      await sentinel?.untilReplicating();
      await sentinel?.failover();
      await cluster?.untilOk();
      await cluster?.failover(slotOf(target));
    },
  },
  tailLost: {
    topologies: ["sentinel", "cluster"],
    run: async (context) => {
      const { sentinel, cluster, servers } = context.topology;
      const write = (): Promise<void> => context.hold();
      await sentinel?.untilReplicating();
      await sentinel?.failoverLosingTail(write);
      await cluster?.untilOk();
      await cluster?.failoverLosingTail(slotOf(context.target), write);
      for (const server of servers) if (!server.isRunning) await server.restart();
      await sentinel?.untilReplicating();
      await cluster?.untilOk();
    },
  },
  masterKilled: {
    topologies: ["sentinel", "cluster"],
    run: async (context) => {
      const { sentinel, cluster } = context.topology;
      await sentinel?.untilReplicating();
      await cluster?.untilOk();
      const server = await master(context);
      await server.kill9();
      await server.waitFor(
        async () => (await master(context)) !== server,
        "another has taken over",
      );
      await server.restart();
      await sentinel?.untilReplicating();
      await cluster?.untilOk();
    },
  },
  slotsMoved: {
    topologies: ["cluster"],
    run: async ({ topology: { cluster, servers }, target }) => {
      if (cluster === null) return;
      const slot = slotOf(target);
      const from = await cluster.masterOf(slot);
      for (const server of servers) {
        const info = await server.info("replication");
        if (server === from || info.get("role") !== "master") continue;
        await cluster.migrateSlot(slot, server);
        break;
      }
    },
  },
} as const satisfies Record<string, Nemesis>;

export type NemesisName = keyof typeof NEMESES;

/** Those that make sense for a topology. */
export function nemesesFor(topology: TopologyName): NemesisName[] {
  const names = Object.keys(NEMESES) as NemesisName[];
  return names.filter((name) =>
    (NEMESES[name].topologies as readonly TopologyName[]).includes(topology),
  );
}
