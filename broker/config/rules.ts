import {
  keyAlgorithms,
  PUBLIC_KEY_ALGORITHMS,
  readPublicKey,
  SECRET_ALGORITHMS,
} from "../auth/algorithms.ts";
import type { TokenAlgorithm } from "../auth/algorithms.ts";
import { isLoopbackHost } from "./checks.ts";
import type { ConfigProblem } from "./config-error.ts";
import type { ConfigValues } from "./config.ts";
import { formatBytes } from "./units.ts";

type Keys = Pick<ConfigValues, "tokenSecret" | "tokenPublicKey" | "jwksUrl">;

/** Whether clients need a token. */
export function hasTokenKey(config: Keys): boolean {
  return config.tokenSecret !== null || config.tokenPublicKey !== null || config.jwksUrl !== null;
}

/** The algorithms tokens may use: those asked for, or all that fit the key. */
export function allowedAlgorithms(
  config: Keys & Pick<ConfigValues, "tokenAlgorithms">,
): readonly TokenAlgorithm[] {
  return config.tokenAlgorithms.length > 0 ? config.tokenAlgorithms : fittingAlgorithms(config);
}

function fittingAlgorithms({ tokenSecret, tokenPublicKey }: Keys): readonly TokenAlgorithm[] {
  if (tokenSecret !== null) return SECRET_ALGORITHMS;
  if (tokenPublicKey !== null) return keyAlgorithms(readPublicKey(tokenPublicKey));
  return PUBLIC_KEY_ALGORITHMS;
}

/** Pairs of options that cannot go together, each with what to do about it. */
export function findConflicts(config: ConfigValues): ConfigProblem[] {
  return [
    ...accessConflicts(config),
    ...sizeConflicts(config),
    ...orderConflicts(config),
    ...redisConflicts(config),
  ];
}

function accessConflicts(config: ConfigValues): ConfigProblem[] {
  const problems: ConfigProblem[] = [];
  const keys = (["tokenSecret", "tokenPublicKey", "jwksUrl"] as const).filter(
    (name) => config[name] !== null,
  );
  const claims = (["tokenIssuer", "tokenAudience"] as const).filter(
    (name) => config[name] !== null,
  );
  if (keys.length > 1)
    problems.push({ where: keys.join(", "), message: "only one of them can be used; keep one" });
  if (keys.length === 0) {
    if (!isLoopbackHost(config.host) && !config.allowAnonymous)
      problems.push({
        where: "host",
        message:
          `${config.host} can be reached from other machines, and clients need no token; ` +
          "set tokenSecret, tokenPublicKey or jwksUrl, or allowAnonymous if that is what you want, or listen on 127.0.0.1",
      });
    if (config.tokenAlgorithms.length > 0)
      problems.push({ where: "tokenAlgorithms", message: WITHOUT_KEY });
    for (const name of claims) problems.push({ where: name, message: WITHOUT_KEY });
  } else if (config.allowAnonymous) {
    problems.push({
      where: `allowAnonymous, ${keys[0]}`,
      message: "with a key every client needs a token; remove one of the two",
    });
  }
  if (keys.length === 1) problems.push(...algorithmConflicts(config));
  if (config.jwksCooldownS > config.jwksCacheMaxAgeS)
    problems.push({
      where: "jwksCooldownS, jwksCacheMaxAgeS",
      message: "the cooldown is longer than the cache's age; make it at most as long",
    });
  if (config.allowedOrigins.includes("*") && config.allowedOrigins.length > 1)
    problems.push({
      where: "allowedOrigins",
      message: '"*" already lets every page connect; keep either it or the list',
    });
  return problems;
}

const WITHOUT_KEY =
  "has no effect without tokenSecret, tokenPublicKey or jwksUrl; set one or remove it";

function algorithmConflicts(config: ConfigValues): ConfigProblem[] {
  const fitting = fittingAlgorithms(config);
  const wrong = config.tokenAlgorithms.filter((name) => !fitting.includes(name));
  if (wrong.length === 0) return [];
  const message = `${wrong.join(", ")} cannot be used with this key; it allows ${fitting.join(", ")}`;
  return [{ where: "tokenAlgorithms", message }];
}

function sizeConflicts(config: ConfigValues): ConfigProblem[] {
  const problems: ConfigProblem[] = [];
  const { maxMessageBytes, maxPayloadBytes, outboundBytes, outboundTotalBytes } = config;
  const limit = `must be below maxMessageBytes (${maxMessageBytes}), which holds the whole frame; lower it or raise the other`;
  if (maxPayloadBytes >= maxMessageBytes)
    problems.push({
      where: "maxPayloadBytes, maxMessageBytes",
      message: `${maxPayloadBytes} ${limit}`,
    });
  for (const { pattern, maxPayloadBytes: own } of config.namespaces) {
    if (own !== undefined && own >= maxMessageBytes)
      problems.push({
        where: `namespaces, "${pattern}"`,
        message: `maxPayloadBytes ${own} ${limit}`,
      });
  }
  if (outboundBytes < maxMessageBytes)
    problems.push({
      where: "outboundBytes, maxMessageBytes",
      message: `${formatBytes(outboundBytes)} cannot hold one message of ${formatBytes(maxMessageBytes)}; raise outboundBytes`,
    });
  if (outboundTotalBytes < outboundBytes)
    problems.push({
      where: "outboundTotalBytes, outboundBytes",
      message: `${formatBytes(outboundTotalBytes)} for all sessions is below ${formatBytes(outboundBytes)} for one; raise outboundTotalBytes`,
    });
  return problems;
}

/** Offsets that all brokers share, and an order that they do not, exclude one another. */
function orderConflicts({ historySize, delivery, namespaces }: ConfigValues): ConfigProblem[] {
  const problems: ConfigProblem[] = [];
  const check = (where: string, size: number, order: string): void => {
    if (order !== "local-first" || size === 0) return;
    problems.push({
      where,
      message: `local-first channels have no order that all brokers share, so they can keep no history to recover from; set historySize to 0 (it is ${size}) or delivery to total`,
    });
  };
  const isCovered = namespaces.some(({ pattern }) => pattern === ">");
  if (!isCovered) check("delivery, historySize", historySize, delivery);
  for (const one of namespaces) {
    check(`namespaces, "${one.pattern}"`, one.historySize ?? historySize, one.delivery ?? delivery);
  }
  return problems;
}

function redisConflicts(config: ConfigValues): ConfigProblem[] {
  const ways = [
    config.redis.length > 0 ? "redis" : null,
    config.redisCluster.length > 0 ? "redisCluster" : null,
    config.redisSentinel === null ? null : "redisSentinel",
  ].filter((name) => name !== null);
  if (ways.length === 0 && config.nodes > 1)
    return [
      {
        where: "nodes",
        message: `${config.nodes} processes share nothing without Redis; set redis, redisCluster or redisSentinel, or nodes to 1`,
      },
    ];
  const problems: ConfigProblem[] = (["redisUser", "redisPassword"] as const)
    .filter((name) => config[name] !== null && config.redisSentinel === null)
    .map((where) => ({
      where,
      message: "has no effect without redisSentinel; URLs carry their own, remove it",
    }));
  if (ways.length > 1) {
    problems.push({ where: ways.join(", "), message: "only one of them can be used; keep one" });
  }
  return problems;
}
