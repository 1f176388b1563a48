import { RedisClient } from "bun";

import { BrokerProcess, tickwireCommand } from "../broker-process.ts";
import { MAX_SILENCE_MS } from "../cell.ts";
import { generate } from "../generator-process.ts";
import type { LoadJob, LoadResult } from "../load/job.ts";
import type { Children } from "../support/children.ts";
import type { RedisBenchOptions } from "./redis-options.ts";
import { BenchRedis } from "./redis-server.ts";
import type { HistoryKind, RedisShape } from "./redis-shapes.ts";

/** One measurement over Redis. */
export interface RedisCell {
  readonly round: number;
  readonly shape: RedisShape;
  readonly history: HistoryKind;
  readonly payloadBytes: number;
}

export interface RedisCellResult {
  readonly cell: RedisCell;
  /** Null when the cell could not be run; `error` says why. */
  readonly load: LoadResult | null;
  readonly error: string | null;
}

export interface RedisCellContext {
  readonly options: RedisBenchOptions;
  readonly children: Children;
  /** Path of redis-server; not used with servers that run already. */
  readonly program: string;
  /** Directory for the profiles of all cells; null when none are wanted. */
  readonly profileDir: string | null;
  /** Signs the tokens of one run. */
  readonly secret: string;
}

/** Runs one cell with a Redis server, two nodes and a generator started for it alone. Never rejects. */
export async function runRedisCell(
  context: RedisCellContext,
  cell: RedisCell,
): Promise<RedisCellResult> {
  try {
    const { redisUrls } = context.options;
    const load =
      redisUrls.length === 0
        ? await measureWithOwn(context, cell)
        : await measureWith(context, cell, redisUrls);
    return { cell, load, error: null };
  } catch (error) {
    return { cell, load: null, error: error instanceof Error ? error.message : String(error) };
  }
}

async function measureWithOwn(context: RedisCellContext, cell: RedisCell): Promise<LoadResult> {
  await using redis = await BenchRedis.start(context.children, context.program);
  return await measure(context, cell, [redis.url], []);
}

/** In servers that run already, a prefix of its own keeps a cell apart from all else. */
async function measureWith(
  context: RedisCellContext,
  cell: RedisCell,
  urls: readonly string[],
): Promise<LoadResult> {
  // At once, and not when two nodes have waited for it.
  await Promise.all(urls.map(requireAnswer));
  const prefix = `twbench-${crypto.randomUUID().slice(0, 8)}`;
  try {
    return await measure(context, cell, urls, ["--redis-prefix", prefix]);
  } finally {
    await Promise.all(urls.map((url) => removeKeys(url, prefix)));
  }
}

async function measure(
  context: RedisCellContext,
  cell: RedisCell,
  urls: readonly string[],
  extra: readonly string[],
): Promise<LoadResult> {
  const args = cell.history === "plain" ? [...extra, "--history-size", "0"] : extra;
  await using a = await startNode(context, cell, "a", urls, args);
  await using b = await startNode(context, cell, "b", urls, args);
  const job = jobOf(context, cell, a, b, urls);
  return await generate(context.children, job, null);
}

function startNode(
  context: RedisCellContext,
  cell: RedisCell,
  name: "a" | "b",
  urls: readonly string[],
  args: readonly string[],
): Promise<BrokerProcess> {
  const { children, options, profileDir, secret } = context;
  return BrokerProcess.start(children, {
    command: [...tickwireCommand(options.entry), "--node", `bench-${name}`, ...args],
    // Not as an argument: a URL may carry a password, and a failed start shows its command line.
    env: { TICKWIRE_TOKEN_SECRET: secret, TICKWIRE_REDIS: urls.join(",") },
    processor: null,
    profileDir: profileDir === null ? null : `${profileDir}/${cellName(cell)}/${name}`,
  });
}

function jobOf(
  { options, secret }: RedisCellContext,
  { shape, payloadBytes }: RedisCell,
  a: BrokerProcess,
  b: BrokerProcess,
  redisUrls: readonly string[],
): LoadJob {
  const hostname = "127.0.0.1";
  return {
    dialect: "tickwire",
    hostname,
    port: a.port,
    brokerPid: a.pid,
    subscribeAt: { hostname, port: b.port, pid: b.pid },
    redisUrls,
    access: { type: "secret", secret },
    publishers: shape.publishers,
    subscribersPerChannel: shape.subscribersPerChannel,
    payloadBytes,
    framesPerMessage: options.batch,
    pace: { type: "closed", windowSize: shape.windowSize },
    warmUpMs: options.warmUpMs,
    measureMs: options.measureMs,
    maxSilenceMs: MAX_SILENCE_MS,
  };
}

/** @throws Error without the URL's credentials, when the server does not answer */
async function requireAnswer(url: string): Promise<void> {
  const client = new RedisClient(url, { autoReconnect: false });
  try {
    await client.send("PING", []);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`Redis at ${new URL(url).host} does not answer: ${reason}`, { cause: error });
  } finally {
    client.close();
  }
}

async function removeKeys(url: string, prefix: string): Promise<void> {
  const client = new RedisClient(url, { autoReconnect: false });
  try {
    let cursor = "0";
    do {
      const reply = await client.send("SCAN", [cursor, "MATCH", `${prefix}*`, "COUNT", "1000"]);
      const [next, keys] = reply as [string, string[]];
      if (keys.length > 0) await client.send("UNLINK", keys);
      cursor = next;
    } while (cursor !== "0");
  } finally {
    client.close();
  }
}

/** Names a cell in a path. */
function cellName({ round, shape, history, payloadBytes }: RedisCell): string {
  return ["redis", shape.name.replace(":", "-to-"), history, payloadBytes, round].join("-");
}
