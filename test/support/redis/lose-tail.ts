import type { RedisServer } from "./redis-server.ts";

export interface TailLoss {
  readonly master: RedisServer;
  readonly replica: RedisServer;
  /** Makes the writes that only the master will have seen, and awaits their replies. */
  readonly write: () => Promise<void>;
  /** Makes the replica, which runs again by then, the master. */
  readonly promote: () => Promise<void>;
}

/**
 * A failover that loses acknowledged writes, the same ones every time: those of `write`, and no earlier one.
 *
 * The replica has everything, then stands still. Its link is cut from the master's side, so that nothing
 * waits for it in a socket. What is written now reaches the master alone, and dies with it.
 */
export async function loseTail({ master, replica, write, promote }: TailLoss): Promise<void> {
  await untilInSync(master, replica);
  await replica.stop();
  await master.command("CLIENT", "KILL", "TYPE", "replica");
  await write();
  await master.kill9();
  await replica.resume();
  await promote();
}

/** Resolves when the replica has confirmed everything the master has. */
export async function untilInSync(master: RedisServer, replica: RedisServer): Promise<void> {
  await replica.waitFor(async () => {
    const { offset: wanted } = await replicationOf(master);
    const { offset, isLinkUp } = await replicationOf(replica);
    return isLinkUp && offset >= wanted;
  }, `the replica has what the master of port ${master.port} has`);
}

async function replicationOf(server: RedisServer) {
  const info = await server.info("replication");
  return {
    offset: Number(info.get("slave_repl_offset") ?? info.get("master_repl_offset")),
    isLinkUp: info.get("master_link_status") === "up",
  };
}

export async function isMaster(server: RedisServer): Promise<boolean> {
  return (await server.info("replication")).get("role") === "master";
}

/** True when it is a replica of this master and has caught up once. */
export async function isReplicaOf(server: RedisServer, master: RedisServer): Promise<boolean> {
  const info = await server.info("replication");
  return (
    info.get("role") === "slave" &&
    info.get("master_port") === String(master.port) &&
    info.get("master_link_status") === "up"
  );
}
