import { layoutOf, ownsSlot, parseClusterNodes } from "./cluster-view.ts";
import type { ClusterNode } from "./cluster-view.ts";
import { isMaster, loseTail, untilInSync } from "./lose-tail.ts";
import type { RedisServer } from "./redis-server.ts";
import { waitUntil } from "./wait.ts";

const KEYS_PER_MIGRATE = 100;
const MIGRATE_LIMIT_MS = 5_000;

/** A Redis Cluster, made by `startCluster`. */
export class RedisCluster implements AsyncDisposable {
  readonly nodes: readonly RedisServer[];
  readonly #owned: AsyncDisposable;

  constructor(nodes: readonly RedisServer[], owned: AsyncDisposable) {
    this.nodes = nodes;
    this.#owned = owned;
  }

  get urls(): string[] {
    return this.nodes.map(({ url }) => url);
  }

  /** Hash slot of a key, which may hold a tag in braces. */
  async slotOf(key: string): Promise<number> {
    return Number(await this.#anyNode().command("CLUSTER", "KEYSLOT", key));
  }

  /**
   * The node that serves a slot, by its own word; of two that claim it, the one with the later claim. Waits
   * until there is one, so after the death of a master it resolves to the successor.
   */
  async masterOf(slot: number): Promise<RedisServer> {
    let found: RedisServer | undefined;
    await this.#until(`a master serves slot ${slot}`, async () => {
      const claims = (await this.#views()).flatMap(({ server, nodes }) =>
        nodes.filter((node) => isServing(node, slot)).map((node) => ({ server, node })),
      );
      claims.sort((a, b) => b.node.configEpoch - a.node.configEpoch);
      found = claims[0]?.server;
      return found !== undefined;
    });
    return found as RedisServer;
  }

  /** The live replicas of a master, as it sees them. */
  async replicasOf(master: RedisServer): Promise<RedisServer[]> {
    const nodes = await viewOf(master);
    const id = nodes.find(({ isMyself }) => isMyself)?.id;
    const replicas = nodes.filter(({ masterId, isDoubtful }) => masterId === id && !isDoubtful);
    const ports = new Set(replicas.map(({ port }) => port));
    return this.nodes.filter(({ port, isResponsive }) => ports.has(port) && isResponsive);
  }

  /**
   * Moves a slot with its keys to another master, while clients go on. Resolves when all nodes know. Keys must
   * be text.
   */
  async migrateSlot(slot: number, to: RedisServer): Promise<void> {
    const from = await this.masterOf(slot);
    if (from === to) return;
    const [fromId, toId] = [await idOf(from), await idOf(to)];
    await to.command("CLUSTER", "SETSLOT", slot, "IMPORTING", fromId);
    await from.command("CLUSTER", "SETSLOT", slot, "MIGRATING", toId);
    for (;;) {
      const keys = await from.command("CLUSTER", "GETKEYSINSLOT", slot, KEYS_PER_MIGRATE);
      if (!Array.isArray(keys) || keys.length === 0) break;
      const names = keys.map(String);
      await from.command("MIGRATE", to.host, to.port, "", 0, MIGRATE_LIMIT_MS, "KEYS", ...names);
    }
    // The new owner first: if the old one forgot the slot before, nobody would own it.
    await to.command("CLUSTER", "SETSLOT", slot, "NODE", toId);
    await from.command("CLUSTER", "SETSLOT", slot, "NODE", toId);
    await this.untilOk();
  }

  /** Hands a slot's master over to its replica without loss, and resolves to it when all nodes know. */
  async failover(slot: number): Promise<RedisServer> {
    const replica = await this.#replicaOf(await this.masterOf(slot));
    await replica.command("CLUSTER", "FAILOVER");
    await replica.waitFor(isMaster, "it has taken over");
    await this.untilOk();
    return replica;
  }

  /**
   * Kills the master of a slot with SIGKILL and resolves to it. Its replica takes over after the node timeout:
   * `masterOf` waits for that, `untilOk` until all nodes know.
   */
  async killMasterOf(slot: number): Promise<RedisServer> {
    const master = await this.masterOf(slot);
    await master.kill9();
    return master;
  }

  /**
   * Kills the master of a slot after writes that its replica never saw, and resolves to the new master once it
   * serves the slot.
   * @param write awaits the replies to the writes that are to be lost
   */
  async failoverLosingTail(slot: number, write: () => Promise<void>): Promise<RedisServer> {
    const master = await this.masterOf(slot);
    const replica = await this.#replicaOf(master);
    const promote = async () => {
      // Without a vote, so that the others need not have noticed the death first.
      await replica.command("CLUSTER", "FAILOVER", "TAKEOVER");
      await replica.waitFor(isMaster, "it has taken over");
      await this.untilOk();
    };
    await loseTail({ master, replica, write, promote });
    return replica;
  }

  /**
   * Resolves when every node that can answer says that the cluster is up, all of them agree on who is alive,
   * whose replica and owner of which slots, and every replica follows its master.
   */
  async untilOk(): Promise<void> {
    await this.#until("the cluster is up and its nodes agree", async () => {
      const live = this.#responsive();
      const infos = await Promise.all(live.map((server) => server.command("CLUSTER", "INFO")));
      if (!infos.every((info) => /cluster_state:ok\r\n/.test(String(info)))) return false;
      const views = await this.#views();
      const agrees = new Set(views.map(({ nodes }) => layoutOf(nodes))).size === 1;
      const knowsLive = views.every(
        ({ nodes }) => nodes.filter((node) => isAlive(node)).length === live.length,
      );
      return agrees && knowsLive && (await Promise.all(live.map(isSettled))).every(Boolean);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#owned[Symbol.asyncDispose]();
  }

  #responsive(): RedisServer[] {
    return this.nodes.filter(({ isResponsive }) => isResponsive);
  }

  #anyNode(): RedisServer {
    const [node] = this.#responsive();
    if (node === undefined) throw new Error("no node of the cluster runs");
    return node;
  }

  /** A replica of this master that has all it has. */
  async #replicaOf(master: RedisServer): Promise<RedisServer> {
    const [replica] = await this.replicasOf(master);
    if (replica === undefined) throw new Error(`the master of port ${master.port} has no replica`);
    await untilInSync(master, replica);
    return replica;
  }

  async #views(): Promise<{ server: RedisServer; nodes: ClusterNode[] }[]> {
    const live = this.#responsive();
    return Promise.all(live.map(async (server) => ({ server, nodes: await viewOf(server) })));
  }

  #until(what: string, condition: () => Promise<boolean>): Promise<void> {
    const describe = () =>
      this.nodes.map(({ port, log }) => `port ${port} said:\n${log}`).join("\n");
    return waitUntil(what, condition, { describe });
  }
}

async function viewOf(server: RedisServer): Promise<ClusterNode[]> {
  return parseClusterNodes(String(await server.command("CLUSTER", "NODES")));
}

async function idOf(server: RedisServer): Promise<string> {
  return String(await server.command("CLUSTER", "MYID"));
}

function isServing(node: ClusterNode, slot: number): boolean {
  return node.isMyself && node.isMaster && ownsSlot(node, slot);
}

function isAlive(node: ClusterNode): boolean {
  return !node.isDoubtful && (node.isMyself || node.isConnected);
}

/** A replica is settled when it follows its master; a master always is. */
async function isSettled(server: RedisServer): Promise<boolean> {
  const info = await server.info("replication");
  return info.get("role") === "master" || info.get("master_link_status") === "up";
}
