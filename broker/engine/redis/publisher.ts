import { Code } from "../../../protocol/codes.ts";
import { BrokerError } from "../../api.ts";
import type { Clock, Logger } from "../../ports.ts";
import { randomEpoch } from "../epoch.ts";
import { failureOf } from "./connection.ts";
import { MessageKind, writeHeader, writePlainMessage } from "./envelope.ts";
import type { Keys } from "./keys.ts";
import { asBrokerError } from "./lease-home.ts";
import type { GroupResult, OutboxBatch, OutboxGroup, SendOutcome } from "./outbox-batch.ts";
import type { RedisStream } from "./redis-stream.ts";
import { publishPlainScript, publishScript } from "./scripts.ts";
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
  /** Name of this run of this node, as messages carry it. */
  readonly producer: string;
  /** Where Redis remembers its last batch of the partition. */
  readonly ring: string;
  readonly clock: Clock;
  /** Of the clock that all nodes share, ms since 1970. */
  readonly commonMs: () => number;
  readonly logger: Logger;
  readonly counters: { duplicates: number };
  readonly idempotencyWindowMs: number;
}

function headerOf(
  { clock, commonMs, producer }: PublisherContext,
  kind: typeof MessageKind.ordered | typeof MessageKind.plain,
  batch: OutboxBatch<RedisStream>,
): Buffer {
  const waitedMs = clock.nowMs() - batch.openedMs;
  const sentMs = commonMs();
  batch.stampMs = sentMs;
  return writeHeader({ kind, producer, sentMs, openedMs: sentMs - waitedMs });
}

/** Hands a batch of recoverable channels to the publish script. */
export async function sendOrdered(
  context: PublisherContext,
  batch: OutboxBatch<RedisStream>,
): Promise<SendOutcome> {
  const { keys, partition } = context;
  const shard = context.shard();
  if (shard === null || !shard.canPublish) return { type: "unsent" };
  const wallMs = context.clock.wallMs();
  const names = [context.ring];
  const args: (string | Buffer)[] = [
    String(batch.seq),
    keys.pubsub(partition),
    shard.publishCommand,
    randomEpoch(),
    String(Math.trunc(wallMs)),
    String(batch.groups.length),
    String(RING_TTL_MS),
    headerOf(context, MessageKind.ordered, batch),
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
      stream.ownPubsub ?? "",
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
    logRarely(context, "redis_foreign_value", text.slice(1));
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
  logRarely(context, "redis_refused", message);
  // The script looks at every key before it uses it, but for the one that it looks at first.
  if (message.startsWith("WRONGTYPE")) {
    return { type: "refused", error: asBrokerError(error, context.ring) };
  }
  const isPassing = /^(OOM|NOREPLICAS|MISCONF)\b/.test(message);
  return {
    type: "refused",
    error: new BrokerError(isPassing ? Code.unavailable : Code.internal, Code.unavailable.text, {
      cause: error,
    }),
  };
}

/** What Redis refuses it goes on refusing: one line in this time says it, ms. */
const REFUSAL_LOG_MS = 5000;
const lastLoggedMs = new WeakMap<Logger, Map<string, number>>();

function logRarely(
  { clock, logger, shard }: PublisherContext,
  event: "redis_refused" | "redis_foreign_value",
  error: string,
): void {
  const nowMs = clock.nowMs();
  const last = lastLoggedMs.get(logger) ?? new Map<string, number>();
  lastLoggedMs.set(logger, last);
  if (nowMs - (last.get(event) ?? -Infinity) < REFUSAL_LOG_MS) return;
  last.set(event, nowMs);
  logger.log("error", event, { shard: shard()?.index, error });
}

/** Publishes a batch of channels without history: at most once, in one call. */
export async function sendPlain(
  context: PublisherContext,
  batch: OutboxBatch<RedisStream>,
): Promise<SendOutcome> {
  const shard = context.shard();
  if (shard === null || !shard.canPublish) return { type: "unsent" };
  const messages = plainMessages(context, batch);
  const [only] = messages;
  try {
    if (only !== undefined && messages.length === 1) {
      await shard.publishPlain(only.pubsub, only.message);
    } else {
      const args = messages.flatMap(({ pubsub, message }) => [pubsub, message]);
      await shard.runPublish(publishPlainScript, [context.ring], [shard.publishCommand, ...args]);
    }
  } catch (error) {
    return failed(context, error);
  }
  // There is no offset that all nodes share.
  return {
    type: "done",
    results: batch.groups.map(() => ({ ok: true, firstOffset: 0, epoch: "" })),
  };
}

interface PlainMessage {
  readonly pubsub: string;
  readonly message: Buffer;
}

/** One message for all channels that share the partition's, and one for each group of the others. */
function plainMessages(
  context: PublisherContext,
  batch: OutboxBatch<RedisStream>,
): readonly PlainMessage[] {
  const { keys, partition, clock } = context;
  const wallMs = clock.wallMs();
  const header = headerOf(context, MessageKind.plain, batch);
  const write = (groups: readonly OutboxGroup<RedisStream>[]): Buffer =>
    writePlainMessage(
      header,
      groups.map(({ stream, run, waiters }) => ({
        channel: stream.name,
        count: waiters.length,
        run: run.view(),
      })),
      wallMs,
    );
  const messages: PlainMessage[] = [];
  const shared: OutboxGroup<RedisStream>[] = [];
  for (const group of batch.groups) {
    const { ownPubsub } = group.stream;
    if (ownPubsub === null) shared.push(group);
    else messages.push({ pubsub: ownPubsub, message: write([group]) });
  }
  if (shared.length > 0) {
    messages.push({ pubsub: keys.pubsub(partition), message: write(shared) });
  }
  return messages;
}
