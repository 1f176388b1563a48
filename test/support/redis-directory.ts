import type { ConnectionSummary } from "../../broker/api.ts";
import type { ProtocolClient } from "./protocol-client.ts";
import type { RedisNodeProcess } from "./redis-node-process.ts";
import type { RedisNode } from "./redis-node.ts";
import type { RedisServer } from "./redis/redis-server.ts";
import { waitUntil } from "./redis/wait.ts";

const CONNECTION_LIMIT = 4107;

/** Tries to connect; null when the user has too many connections. */
export async function tryConnect(
  node: RedisNode | RedisNodeProcess,
  user: string,
): Promise<ProtocolClient | null> {
  try {
    return await node.connect(user);
  } catch (error) {
    if ((error as { code?: number }).code === CONNECTION_LIMIT) return null;
    throw error;
  }
}

export function untilConnected(node: RedisNode, user: string): Promise<ProtocolClient> {
  const { promise, resolve } = Promise.withResolvers<ProtocolClient>();
  const trying = waitUntil(`${user} is let in`, async () => {
    const client = await tryConnect(node, user);
    if (client !== null) resolve(client);
    return client !== null;
  });
  return trying.then(() => promise);
}

/** All connections a node tells of, in pages of this size. */
export async function connectionsOf(
  { api }: RedisNode,
  user: string | null = null,
  limit = 1000,
): Promise<ConnectionSummary[]> {
  const all: ConnectionSummary[] = [];
  for (;;) {
    const page = await api.connections({ user, limit, after: all.at(-1)?.connection ?? null });
    all.push(...page);
    if (page.length < limit) return all;
  }
}

export function untilListed(node: RedisNode, wanted: readonly ProtocolClient[]): Promise<void> {
  const ids = wanted.map(({ connectionId }) => connectionId).toSorted();
  return waitUntil(`${ids.length} connections are listed`, async () => {
    const listed = await connectionsOf(node);
    return listed.map(({ connection }) => connection).join() === ids.join();
  });
}

/** Waits until Redis has this number of connections of a user; they are listed a little earlier. */
export function untilCounted(server: RedisServer, key: string, wanted: number): Promise<void> {
  return waitUntil(`${wanted} connections count`, async () => {
    const counts = (await server.command("HVALS", key)) as unknown[];
    return counts.reduce((sum: number, count) => sum + Number(count), 0) === wanted;
  });
}

export async function closeAll(clients: readonly ProtocolClient[]): Promise<void> {
  await Promise.all(clients.map((client) => client[Symbol.asyncDispose]()));
}
