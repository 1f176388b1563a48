import {
  checkCertificateFile,
  checkRedisPrefix,
  checkRedisSeed,
  checkRedisSentinel,
  checkRedisUrl,
} from "./checks.ts";
import { duration, integer } from "./option.ts";
import { optionalText, requiredText, textList } from "./text-option.ts";

/** The rows of the option table that are about Redis. */
export const REDIS_OPTIONS = {
  redis: textList({
    group: "Redis",
    isSecret: true,
    type: "list of URLs",
    fallbackText: "none: one process, in memory",
    maxItems: 64,
    check: checkRedisUrl,
    text: "Redis servers that share the channels, as redis:// or rediss:// URLs; every node must have the same list in the same order.",
  }),
  redisCluster: textList({
    group: "Redis",
    isSecret: true,
    type: "list of host:port or URLs",
    fallbackText: "none",
    maxItems: 64,
    check: checkRedisSeed,
    text: "Some nodes of a Redis Cluster (7 or later); the others are found from them.",
  }),
  redisSentinel: optionalText({
    group: "Redis",
    isSecret: true,
    type: "name@host:port,...",
    check: checkRedisSentinel,
    text: "A master watched by Redis Sentinel: its name and the sentinels to ask.",
  }),
  redisUser: optionalText({
    group: "Redis",
    isSecret: false,
    text: "User of the master that Sentinel names, and of its replicas; URLs carry their own.",
  }),
  redisPassword: optionalText({
    group: "Redis",
    isSecret: true,
    text: "Password of the master that Sentinel names, and of its replicas; URLs carry their own.",
  }),
  redisCa: optionalText({
    group: "Redis",
    isSecret: false,
    type: "path",
    check: checkCertificateFile,
    text: "PEM file of the authorities to trust for rediss:// URLs, where the system does not know them.",
  }),
  redisPrefix: requiredText({
    group: "Redis",
    isSecret: false,
    fallback: () => "tw",
    fallbackText: "tw",
    check: checkRedisPrefix,
    text: "Beginning of every key and pub/sub channel; brokers with another prefix share nothing with these.",
  }),
  redisPartitions: integer({
    group: "Redis",
    fallback: 64,
    min: 1,
    max: 1024,
    unit: "partitions",
    text: "Slices of the channel space, fixed when the first node starts: what orders, batches and moves together.",
  }),
  redisGiveUpMs: duration({
    group: "Redis",
    unit: "ms",
    fallback: 5000,
    min: 100,
    max: 60_000,
    text: "How long a publisher waits for Redis before it is told that the outcome is not known.",
  }),
} as const;
