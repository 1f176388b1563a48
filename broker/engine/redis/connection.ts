import { Redis } from "ioredis";
import type { RedisOptions } from "ioredis";

/** Where one Redis server (or a Sentinel-watched master) is. */
export type ShardAddress =
  | {
      readonly type: "url";
      readonly url: string;
      /** PEM of the authorities to trust, for TLS; without it those of the system. */
      readonly ca?: string | undefined;
    }
  | {
      readonly type: "sentinel";
      readonly name: string;
      readonly sentinels: readonly { readonly host: string; readonly port: number }[];
      /** Of the master; the Sentinels are asked without. */
      readonly username?: string | undefined;
      readonly password?: string | undefined;
    };

/** A command without an answer for this long has an unknown outcome, and its connection is suspect. */
const COMMAND_TIMEOUT_MS = 2000;
const CONNECT_TIMEOUT_MS = 1000;
/** The other end of a connection that carries nothing does not answer its end: what is given up goes at once. */
const DISCONNECT_TIMEOUT_MS = 20;
/**
 * Short: it is what we add to a failover, and a node that was cut off is to know of revocations within a second of
 * being back.
 */
const MAX_RECONNECT_MS = 300;
const RESTART_MS = 100;

/** Connections that we ended; as long as somebody holds them. */
const closed = new WeakSet<Redis>();

/** Connections that we gave up, until they are gone. */
const givenUp = new WeakSet<Redis>();

/**
 * What ioredis must not do for us: send a command again whose reply was lost (it may have been executed),
 * queue without bound while there is no connection, resubscribe without telling. All three were
 * measured to double or lose publications.
 */
const OPTIONS = {
  autoResendUnfulfilledCommands: false,
  autoResubscribe: false,
  enableOfflineQueue: false,
  maxRetriesPerRequest: 0,
  commandTimeout: COMMAND_TIMEOUT_MS,
  connectTimeout: CONNECT_TIMEOUT_MS,
  disconnectTimeout: DISCONNECT_TIMEOUT_MS,
  keepAlive: 5000,
  enableReadyCheck: true,
  lazyConnect: true,
  retryStrategy: (attempt) =>
    Math.ceil(Math.random() * Math.min(MAX_RECONNECT_MS, 50 * 2 ** attempt)),
} satisfies RedisOptions;

/** RESP2 costs a third less per received message, and replies need nothing of RESP3.
 *
 * Opens a connection of ours; it goes on reconnecting until it is closed. `onError` gets what goes wrong meanwhile. */
export function openConnection(
  address: ShardAddress,
  role: string,
  onError: (error: Error) => void,
  protocol: 2 | 3 = 2,
): Redis {
  const options = { ...OPTIONS, protocol, connectionName: `tickwire-${role}` };
  const redis =
    address.type === "url"
      ? new Redis(address.url, { ...options, ...tlsOptions(address) })
      : new Redis({
          ...options,
          name: address.name,
          ...loginOptions(address),
          sentinels: [...address.sentinels],
          sentinelCommandTimeout: COMMAND_TIMEOUT_MS,
          failoverDetector: true,
        });
  redis.on("error", onError);
  for (const event of ["close", "end", "connecting"]) {
    redis.on(event, () => givenUp.delete(redis));
  }
  // Given up while it asks the Sentinels for the master, ioredis takes a connection for closed by us.
  redis.on("end", () => {
    if (closed.has(redis)) return;
    setTimeout(() => {
      if (!closed.has(redis)) redis.connect().catch(onError);
    }, RESTART_MS);
  });
  redis.connect().catch(onError);
  return redis;
}

/** Options that are not set are left out: ioredis takes undefined for a value. */
function loginOptions(login: { username?: string | undefined; password?: string | undefined }) {
  const { username, password } = login;
  return {
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
  };
}

function tlsOptions({ url, ca }: { url: string; ca?: string | undefined }) {
  return ca === undefined || !url.startsWith("rediss:") ? {} : { tls: { ca } };
}

/** Gives up a connection that is not to be trusted any more; it is made anew. */
export function replaceConnection(redis: Redis): void {
  // Each command that was lost on it asks for this, and once is enough: a second time would end the next attempt.
  if (givenUp.has(redis)) return;
  givenUp.add(redis);
  redis.disconnect(true);
}

/** Ends a connection for good. */
export function closeConnection(redis: Redis): void {
  closed.add(redis);
  redis.disconnect();
}

/** How a failed command is to be understood. */
export type Failure =
  /** It was not executed; try again. */
  | "unsent"
  /** It was not executed, and trying again will not help soon. */
  | "refused"
  /** It may have been executed. */
  | "unknown";

const NOT_NOW = /^(LOADING|READONLY|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|MOVED|ASK|BUSY)\b/;

/** Reads an ioredis error. A command whose connection closed under it may have been executed. */
export function failureOf(error: unknown): Failure {
  const { name, message } = error instanceof Error ? error : new Error(String(error));
  if (name === "ReplyError") return NOT_NOW.test(message) ? "unsent" : "refused";
  if (message.startsWith("Stream isn't writeable")) return "unsent";
  return "unknown";
}

export function isNoScript(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith("NOSCRIPT");
}

/** The slot is on another server. */
export function isMoved(error: unknown): boolean {
  return error instanceof Error && /^(MOVED|ASK|CLUSTERDOWN)\b/.test(error.message);
}

/** The server is a replica now: this connection leads to the wrong one. */
export function isReadOnly(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith("READONLY");
}

/** A URL for logs: without user and password. */
export function describeAddress(address: ShardAddress): string {
  if (address.type === "sentinel") return `sentinel ${address.name}`;
  try {
    const { protocol, host, pathname } = new URL(address.url);
    return `${protocol}//${host}${pathname === "/" ? "" : pathname}`;
  } catch {
    return "redis (URL not readable)";
  }
}
