import { Code } from "../../../protocol/codes.ts";
import { BrokerError } from "../../api.ts";
import type { Clock, Logger } from "../../ports.ts";
import { randomEpoch } from "../epoch.ts";
import { failureOf } from "./connection.ts";
import { writePlainMessage } from "./envelope.ts";
import type { Keys } from "./keys.ts";
import type { GroupResult, OutboxBatch, SendOutcome } from "./outbox.ts";
import type { RedisStream } from "./redis-stream.ts";
import { publishScript } from "./scripts.ts";
import type { Shard } from "./shard.ts";

/**
 * How long Redis remembers a node's last batch of a partition. A batch is sent again for less time than
 * that, so one that was executed is never executed twice.
 */
const RING_TTL_MS = 3_600_000;

/** How long a batch may be sent again: well within what Redis remembers, clocks that drift included. */
export const RESEND_LIMIT_MS = RING_TTL_MS / 2;

/** What is needed of the server that has the partition. */
export type PublishTarget = Pick<
  Shard,
  "index" | "canPublish" | "publishCommand" | "runPublish" | "publishPlain" | "waitForReplicas"
>;

export interface PublisherContext {
  /** Where the partition is now; null while nobody has it. */
  readonly shard: () => PublishTarget | null;
  readonly keys: Keys;
  readonly partition: number;
  /** Name of this run of this node. */
  readonly producer: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly counters: { duplicates: number };
  readonly idempotencyWindowMs: number;
}

/** Hands a batch of recoverable channels to the publish script. */
export async function sendOrdered(
  context: PublisherContext,
  batch: OutboxBatch<RedisStream>,
): Promise<SendOutcome> {
  const { keys, partition } = context;
  const shard = context.shard();
  if (shard === null || !shard.canPublish) return { type: "unsent" };
  const names = [keys.ring(partition, context.producer)];
  const args: (string | Buffer)[] = [
    String(batch.seq),
    keys.pubsub(partition),
    shard.publishCommand,
    randomEpoch(),
    String(Math.trunc(context.clock.wallMs())),
    String(batch.groups.length),
    String(RING_TTL_MS),
  ];
  for (const { stream, publicationId, run, waiters } of batch.groups) {
    const { hash, options } = stream;
    const meta = keys.meta(partition, hash);
    names.push(
      keys.history(partition, hash),
      meta,
      publicationId === null ? meta : keys.publicationId(partition, hash, publicationId),
    );
    args.push(
      stream.name,
      String(waiters.length),
      Buffer.from(run.bytes.buffer, run.bytes.byteOffset, run.length),
      String(options.historySize),
      String(options.historyTtlMs),
      String(stream.metaTtlMs),
      publicationId === null ? "0" : String(context.idempotencyWindowMs),
    );
  }
  try {
    const outcome = readReply(context, await shard.runPublish(publishScript, names, args));
    return await confirmReplicated(shard, batch, outcome);
  } catch (error) {
    return failed(context, error);
  }
}

/** How long a batch waits for a replica before its publishers hear that none has confirmed it, ms. */
const REPLICA_WAIT_MS = 50;

function isReplicated({ stream }: { readonly stream: RedisStream }): boolean {
  return stream.options.ack === "replicated";
}

/** For channels that ask for it, what is stored counts once a replica has it too. */
async function confirmReplicated(
  shard: PublishTarget,
  batch: OutboxBatch<RedisStream>,
  outcome: SendOutcome,
): Promise<SendOutcome> {
  if (outcome.type !== "done" || !batch.groups.some(isReplicated)) return outcome;
  if ((await shard.waitForReplicas(1, REPLICA_WAIT_MS)) > 0) return outcome;
  const error = new BrokerError(Code.publishUnknown, "stored, but no replica has confirmed it");
  const results = outcome.results.map((result, i) => {
    const group = batch.groups[i];
    return group !== undefined && isReplicated(group) ? { ok: false as const, error } : result;
  });
  return { type: "done", results };
}

function readReply(context: PublisherContext, reply: unknown): SendOutcome {
  const [state, results] = reply as [number, Buffer[]];
  if (state === 2) return { type: "forgotten" };
  return {
    type: "done",
    results: results.map((item) => groupResult(context, item.toString("latin1"))),
  };
}

function groupResult(context: PublisherContext, text: string): GroupResult {
  if (text.startsWith("!")) {
    context.logger.log("error", "redis_foreign_value", { error: text.slice(1) });
    return { ok: false, error: new BrokerError(Code.internal, text.slice(1)) };
  }
  const [offset = "", epoch = "", isDuplicate] = text.split(":");
  if (isDuplicate === "1") context.counters.duplicates++;
  return { ok: true, firstOffset: Number(offset), epoch };
}

function failed(context: PublisherContext, error: unknown): SendOutcome {
  const failure = failureOf(error);
  if (failure !== "refused") return { type: failure };
  const message = error instanceof Error ? error.message : String(error);
  logRefusal(context, message);
  const isPassing = /^(OOM|NOREPLICAS|MISCONF)\b/.test(message);
  return {
    type: "refused",
    error: new BrokerError(isPassing ? Code.unavailable : Code.internal, Code.unavailable.text, {
      cause: error,
    }),
  };
}

/** A server that refuses goes on doing so: one line in this time says it, ms. */
const REFUSAL_LOG_MS = 5000;
const lastRefusalMs = new WeakMap<Logger, number>();

function logRefusal({ clock, logger, shard }: PublisherContext, error: string): void {
  const nowMs = clock.nowMs();
  if (nowMs - (lastRefusalMs.get(logger) ?? -Infinity) < REFUSAL_LOG_MS) return;
  lastRefusalMs.set(logger, nowMs);
  logger.log("error", "redis_refused", { shard: shard()?.index, error });
}

/** Publishes a batch of channels without history: at most once, one PUBLISH for all. */
export async function sendPlain(
  context: PublisherContext,
  batch: OutboxBatch<RedisStream>,
): Promise<SendOutcome> {
  const { keys, partition } = context;
  const shard = context.shard();
  if (shard === null || !shard.canPublish) return { type: "unsent" };
  const message = writePlainMessage(
    batch.groups.map(({ stream, run, waiters }) => ({
      channel: stream.name,
      count: waiters.length,
      run: run.view(),
    })),
    context.clock.wallMs(),
  );
  try {
    await shard.publishPlain(keys.pubsub(partition), message);
  } catch (error) {
    return failed(context, error);
  }
  // There is no offset that all nodes share.
  return {
    type: "done",
    results: batch.groups.map(() => ({ ok: true, firstOffset: 0, epoch: "" })),
  };
}
