import { quoted } from "./config-file.ts";
import type { Directives } from "./config-file.ts";
import { isMaster, isReplicaOf, loseTail } from "./lose-tail.ts";
import { PortBlock } from "./port-block.ts";
import { RedisServer } from "./redis-server.ts";
import { RedisReplyError } from "./resp.ts";
import { specOf } from "./start-redis.ts";
import type { RedisOptions } from "./start-redis.ts";
import { waitUntil } from "./wait.ts";

/** What the Sentinels call the master. */
const MASTER_NAME = "tickwire";
/** Silence after which a Sentinel takes an instance for down. */
const DOWN_AFTER_MS = 1_000;
/**
 * A failover that got stuck is tried again after twice this. Half of it was seen to hand over a second time, back
 * to the old master, on a busy machine.
 */
const FAILOVER_TIMEOUT_MS = 3_000;
/**
 * How often a Sentinel asks the servers for their state, and tells the other Sentinels; by itself every
 * 10 s and 2 s. The old master of a failover is made a replica after four of the latter.
 */
const INFO_PERIOD_MS = 500;
const PUBLISH_PERIOD_MS = 250;

export interface SentinelOptions extends Omit<RedisOptions, "tls" | "user"> {
  /** How many watch; more than half must agree. Default: 3. */
  readonly sentinelCount?: 1 | 3;
  /** Default: 3 s. */
  readonly failoverTimeoutMs?: number;
}

/** A master, a replica and the Sentinels that watch them. */
export class RedisSentinel implements AsyncDisposable {
  readonly masterName = MASTER_NAME;
  /** The two redis-servers; the first was the master at the start. */
  readonly servers: readonly [RedisServer, RedisServer];
  readonly sentinels: readonly RedisServer[];
  readonly #owned: AsyncDisposableStack;

  constructor(
    servers: readonly [RedisServer, RedisServer],
    sentinels: readonly RedisServer[],
    owned: AsyncDisposableStack,
  ) {
    this.servers = servers;
    this.sentinels = sentinels;
    this.#owned = owned;
  }

  /** For a client: where the Sentinels are. */
  get addresses(): { readonly host: string; readonly port: number }[] {
    return this.sentinels.map(({ host, port }) => ({ host, port }));
  }

  /** The server that the Sentinels, all that can answer, name as the master. Waits until they agree. */
  async master(): Promise<RedisServer> {
    let found: RedisServer | undefined;
    await this.#until("the Sentinels agree on a master", async () => {
      const responsive = this.sentinels.filter(({ isResponsive }) => isResponsive);
      const ports = new Set(await Promise.all(responsive.map((sentinel) => masterPort(sentinel))));
      found = ports.size === 1 ? this.servers.find(({ port }) => ports.has(port)) : undefined;
      return found !== undefined;
    });
    return found as RedisServer;
  }

  /** The server that is not the master. */
  async replica(): Promise<RedisServer> {
    return this.#other(await this.master());
  }

  /**
   * Has the Sentinels hand over to the replica, and resolves to it when it is the master and all of them
   * say so. The old master, if it lives, takes writes for about a second more, until they make it a
   * replica: see `untilReplicating`.
   */
  async failover(): Promise<RedisServer> {
    const replica = await this.replica();
    await this.#promote(replica);
    return replica;
  }

  /** Resolves when all are up, the Sentinels know all, and the replica follows the master. */
  async untilReplicating(): Promise<void> {
    await this.#until("the replica follows the master that all Sentinels name", async () => {
      const master = await this.master();
      const checks = this.sentinels.map((sentinel) => this.#isComplete(sentinel));
      const isWatched = (await Promise.all(checks)).every(Boolean);
      return isWatched && (await isReplicaOf(this.#other(master), master));
    });
  }

  /**
   * Kills the master after writes that the replica never saw, and resolves to the new master. It and the
   * killed one then differ; `restart` of the killed one makes it a replica again.
   * @param write awaits the replies to the writes that are to be lost
   */
  async failoverLosingTail(write: () => Promise<void>): Promise<RedisServer> {
    const master = await this.master();
    const replica = this.#other(master);
    await loseTail({ master, replica, write, promote: () => this.#promote(replica) });
    return replica;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#owned.disposeAsync();
  }

  #other(server: RedisServer): RedisServer {
    return this.servers[0] === server ? this.servers[1] : this.servers[0];
  }

  /** Asks for the failover until one has begun: a Sentinel refuses while it has not heard of the replica. */
  async #promote(replica: RedisServer): Promise<void> {
    let hasBegun = false;
    await this.#until(`the replica of port ${replica.port} is the master`, async () => {
      if (await isMaster(replica)) return true;
      hasBegun ||= await this.#beginFailover();
      return false;
    });
    await this.#until("the Sentinels name the new master", async () => {
      return (await this.master()) === replica;
    });
  }

  async #beginFailover(): Promise<boolean> {
    const sentinel = this.sentinels.find(({ isResponsive }) => isResponsive);
    try {
      await sentinel?.command("SENTINEL", "FAILOVER", MASTER_NAME);
      return true;
    } catch (error) {
      if (!(error instanceof RedisReplyError)) throw error;
      return error.code === "INPROG";
    }
  }

  async #isComplete(sentinel: RedisServer): Promise<boolean> {
    const known = await sentinel.command("SENTINEL", "MASTER", MASTER_NAME);
    const fields = fieldsOf(known);
    return (
      fields.get("flags") === "master" &&
      fields.get("num-slaves") === "1" &&
      fields.get("num-other-sentinels") === String(this.sentinels.length - 1)
    );
  }

  #until(what: string, condition: () => Promise<boolean>): Promise<void> {
    const describe = () =>
      [...this.servers, ...this.sentinels]
        .map(({ port, log }) => `port ${port} said:\n${log}`)
        .join("\n");
    return waitUntil(what, condition, { describe });
  }
}

/** Starts a master, a replica and Sentinels. Resolves when all know each other. */
export async function startSentinel(options: SentinelOptions = {}): Promise<RedisSentinel> {
  const { sentinelCount = 3, failoverTimeoutMs = FAILOVER_TIMEOUT_MS, ...redis } = options;
  await using made = new AsyncDisposableStack();
  const ports = made.use(await PortBlock.reserve());
  const startServer = async (more: Directives) => {
    const login: Directives =
      redis.password === undefined ? {} : { masterauth: quoted(redis.password) };
    const config = { ...login, ...more, ...redis.config };
    return made.use(await RedisServer.start(ports, specOf({ ...redis, config })));
  };
  const master = await startServer({});
  const replica = await startServer({ replicaof: `${master.host} ${master.port}` });
  // Sentinels look at the replicas of a master when they first see it, and then only every 10 s.
  await replica.waitFor(() => isReplicaOf(replica, master), "the replica follows the master");

  const directives = sentinelDirectives(master, sentinelCount, failoverTimeoutMs, redis.password);
  const sentinels: RedisServer[] = [];
  for (let index = 0; index < sentinelCount; index++) {
    const spec = { isSentinel: true, directives: () => directives };
    const sentinel = made.use(await RedisServer.start(ports, spec));
    await hurry(sentinel);
    sentinels.push(sentinel);
  }
  const topology = new RedisSentinel([master, replica], sentinels, made.move());
  try {
    await topology.untilReplicating();
    return topology;
  } catch (error) {
    await topology[Symbol.asyncDispose]();
    throw error;
  }
}

function sentinelDirectives(
  master: RedisServer,
  count: number,
  failoverTimeoutMs: number,
  password: string | undefined,
): Directives {
  const quorum = Math.floor(count / 2) + 1;
  const login = password === undefined ? [] : [`auth-pass ${MASTER_NAME} ${quoted(password)}`];
  return {
    sentinel: [
      `monitor ${MASTER_NAME} ${master.host} ${master.port} ${quorum}`,
      `down-after-milliseconds ${MASTER_NAME} ${DOWN_AFTER_MS}`,
      `failover-timeout ${MASTER_NAME} ${failoverTimeoutMs}`,
      ...login,
    ],
  };
}

/** Lasts until the Sentinel is restarted. */
async function hurry(sentinel: RedisServer): Promise<void> {
  const periods = ["INFO-PERIOD", INFO_PERIOD_MS, "PUBLISH-PERIOD", PUBLISH_PERIOD_MS];
  await sentinel.command("SENTINEL", "DEBUG", ...periods);
}

async function masterPort(sentinel: RedisServer): Promise<number> {
  const reply = await sentinel.command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", MASTER_NAME);
  return Number(Array.isArray(reply) ? reply[1] : undefined);
}

/** Of a reply that lists names and values in turn. */
function fieldsOf(reply: unknown): Map<string, string> {
  const items = Array.isArray(reply) ? reply.map(String) : [];
  const fields = new Map<string, string>();
  for (let index = 0; index + 1 < items.length; index += 2) {
    fields.set(items[index] ?? "", items[index + 1] ?? "");
  }
  return fields;
}
