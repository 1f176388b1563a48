import { randomId } from "../epoch.ts";
import { Attachments } from "./attachments.ts";
import { Auditor } from "./auditor.ts";
import { EngineTracing } from "./engine-tracing.ts";
import { Inbox } from "./inbox.ts";
import { Intake } from "./intake.ts";
import { Keys } from "./keys.ts";
import { requireShard } from "./lease-home.ts";
import { Membership } from "./lease-membership.ts";
import { Partitions } from "./partitions.ts";
import { Reach } from "./reach.ts";
import { noStats } from "./redis-engine-options.ts";
import type { RedisEngineOptions, RedisEngineStats } from "./redis-engine-options.ts";
import { routingText } from "./routing-table.ts";
import { StreamReader } from "./stream-reader.ts";
import { Streams } from "./streams.ts";

const DAY_MS = 86_400_000;

/** What the engine is made of, as far as it calls it. */
export interface EngineParts {
  readonly stats: RedisEngineStats;
  readonly partitions: Partitions;
  readonly streams: Streams;
  readonly intake: Intake;
  readonly reader: StreamReader;
  readonly attachments: Attachments;
  readonly auditor: Auditor;
  readonly membership: Membership;
  readonly reach: Reach;
  readonly tracing: EngineTracing;
}

/** Makes the parts and joins them. None of them calls another before the engine is started. */
export function createParts(
  options: RedisEngineOptions,
  openUnknown: (channel: string) => void,
): EngineParts {
  const keys = new Keys(options.prefix, options.partitions);
  const stats = options.stats ?? noStats();
  const streams = new Streams({ ...options, keys });
  // A node that comes back is another: what it had under way is not its any more.
  const incarnation = `${options.node}.${randomId(8)}`;
  const partitions = new Partitions({
    engine: options,
    keys,
    incarnation,
    stats,
    host: {
      message: (channel, message) => {
        if (!membership.received(channel, message)) inbox.received(channel, message);
      },
      assigned: (partition, shard) => membership.assigned(partition, shard),
      commonMs: () => tracing.commonMs(),
      settled: (partition, batch, outcome) => tracing.settled(partition, batch, outcome),
      lost: () => reach.lost(),
      resubscribed: (shard) => {
        membership.resubscribed(shard);
        tracing.resubscribed(shard);
        reach.regained();
        auditor.audit((stream) => partitions.at(stream.partition).shard === shard);
      },
      subscribed: ({ index }, own) =>
        auditor.audit((stream) => stream.partition === index && stream.ownPubsub === own),
    },
  });
  const tracing = new EngineTracing({
    engine: options,
    incarnation,
    partitionOf: (channel) => keys.partition(channel),
    shardAt: (partition) => partitions.shardAt(partition),
    ask: (producer, request) => membership.askTrace(producer, request),
    tellRule: (change) => membership.tellTraceRule(change),
  });
  const reach = new Reach({
    partitionCount: options.partitions,
    shardAt: (partition) => partitions.shardAt(partition),
  });
  const reader = new StreamReader({
    keys,
    shardOf: (stream) => requireShard(partitions.shardAt(stream.partition)),
    pause: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
    clock: options.clock,
    logger: options.logger,
    stats,
  });
  const inbox = new Inbox({
    keys,
    incarnation,
    streams: streams.byName,
    reader,
    openUnknown,
    clock: options.clock,
    logger: options.logger,
  });
  const intake = new Intake({
    partitions,
    inbox,
    tracing,
    clock: options.clock,
  });
  const attachments = new Attachments({
    partitions,
    reader,
    inbox,
    clock: options.clock,
    giveUpMs: options.giveUpMs,
  });
  const auditor = new Auditor({
    keys,
    streams: () => streams.byName.values(),
    shardOf: (stream) => partitions.at(stream.partition).shard,
    heal: (stream) => reader.heal(stream),
    clock: options.clock,
  });
  const membership = new Membership({
    traceAsked: (request) => tracing.asked(request),
    traceRuleChanged: (change) => tracing.ruleChanged(change),
    commonMs: () => tracing.commonMs(),
    keys,
    shardOf: (partition) => partitions.shardAt(partition),
    incarnation,
    routing: routingText(options.namespaces),
    refused: (reason) => partitions.refuse(reason),
    isAllowed: () => partitions.mismatch === null,
    clock: options.clock,
    logger: options.logger,
    stats,
    leaseMs: options.leaseMs,
    revocationTtlMs: options.revocationTtlMs ?? DAY_MS,
  });
  return {
    stats,
    partitions,
    streams,
    intake,
    reader,
    attachments,
    auditor,
    membership,
    reach,
    tracing,
  };
}
