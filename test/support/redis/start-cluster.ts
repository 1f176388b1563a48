import { RedisCluster } from "./cluster.ts";
import type { Directives } from "./config-file.ts";
import { PortBlock } from "./port-block.ts";
import { RedisServer } from "./redis-server.ts";

const MASTER_COUNT = 3;
const SLOT_COUNT = 16_384;
/** Silence after which a node is taken for dead, ms. */
const NODE_TIMEOUT_MS = 2_000;

export interface ClusterOptions {
  /** Default: true, one per master. */
  readonly hasReplicas?: boolean;
  readonly appendonly?: boolean;
  /** Any further directives of every node. */
  readonly config?: Directives;
}

/** Starts three masters, each with a replica. Resolves when every node says that the cluster is up. */
export async function startCluster(options: ClusterOptions = {}): Promise<RedisCluster> {
  const { hasReplicas = true, appendonly = false, config = {} } = options;
  await using made = new AsyncDisposableStack();
  const ports = made.use(await PortBlock.reserve());
  const directives = {
    "cluster-enabled": "yes",
    "cluster-config-file": "nodes.conf",
    "cluster-node-timeout": NODE_TIMEOUT_MS,
    appendonly: appendonly ? "yes" : "no",
    ...config,
  };
  const nodes: RedisServer[] = [];
  const busPorts: number[] = [];
  for (let index = 0; index < (hasReplicas ? 2 * MASTER_COUNT : MASTER_COUNT); index++) {
    // Beside its port, or beyond the highest port number if left to itself.
    let busPort = 0;
    const node = await RedisServer.start(ports, {
      directives: () => {
        busPort = ports.take();
        return { ...directives, "cluster-port": busPort };
      },
    });
    nodes.push(made.use(node));
    busPorts.push(busPort);
  }
  const cluster = new RedisCluster(nodes, made.move());
  try {
    await join(nodes, busPorts);
    await cluster.untilOk();
    return cluster;
  } catch (error) {
    await cluster[Symbol.asyncDispose]();
    throw error;
  }
}

/** Deals the slots to the first nodes, introduces all to the first, and makes the rest their replicas. */
async function join(nodes: readonly RedisServer[], busPorts: readonly number[]): Promise<void> {
  const masters = nodes.slice(0, MASTER_COUNT);
  for (const [index, master] of masters.entries()) {
    const first = Math.floor((index * SLOT_COUNT) / MASTER_COUNT);
    const next = Math.floor(((index + 1) * SLOT_COUNT) / MASTER_COUNT);
    await master.command("CLUSTER", "ADDSLOTSRANGE", first, next - 1);
  }
  for (const [index, node] of nodes.entries()) {
    // Equal epochs would be sorted out by the nodes, but not at once.
    await node.command("CLUSTER", "SET-CONFIG-EPOCH", index + 1);
  }
  const [first] = nodes as [RedisServer];
  for (const [index, node] of nodes.entries()) {
    const busPort = busPorts[index] as number;
    if (node !== first) await first.command("CLUSTER", "MEET", node.host, node.port, busPort);
  }
  for (const [index, replica] of nodes.slice(MASTER_COUNT).entries()) {
    const master = masters[index] as RedisServer;
    const masterId = String(await master.command("CLUSTER", "MYID"));
    // Refused until gossip has told the replica of its master.
    await replica.waitFor(
      async () => (await replica.command("CLUSTER", "REPLICATE", masterId)) === "OK",
      "it is a replica",
    );
  }
}
