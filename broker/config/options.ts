import {
  checkAlgorithm,
  checkApiKey,
  checkHost,
  checkJwksUrl,
  checkNode,
  checkOrigin,
  checkPublicKey,
  checkTokenSecret,
} from "./checks.ts";
import { NAMESPACE_OPTIONS, namespacesOption } from "./namespaces.ts";
import { boolean, choice, duration, integer, size } from "./option.ts";
import { REDIS_OPTIONS } from "./redis-options.ts";
import { optionalText, requiredText, textList } from "./text-option.ts";
import { TRACE_OPTIONS } from "./trace-options.ts";
import { TRANSFORM_OPTIONS } from "./transforms.ts";

const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;
const DAY_S = 86_400;
const DAY_MS = DAY_S * 1000;

const NODE_CHARS = "0123456789abcdefghijklmnopqrstuvwxyz";

/** 8 characters from 36: two of a thousand nodes share one with a chance of 1 in 5 million. */
function randomNode(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(8));
  return `n_${Array.from(bytes, (byte) => NODE_CHARS[byte % 36]).join("")}`;
}

/**
 * Every option of the broker. Types, environment variables, flags, help, docs/config.md and redacted
 * output come from this table.
 */
export const OPTIONS = {
  host: requiredText({
    group: "Listening",
    isSecret: false,
    fallback: () => "127.0.0.1",
    fallbackText: "127.0.0.1",
    check: checkHost,
    text: "Address to listen on; anything but loopback needs a token key or allowAnonymous.",
  }),
  port: integer({
    group: "Listening",
    fallback: 9300,
    min: 0,
    max: 65_535,
    text: "TCP port; 0 takes any free one.",
  }),
  reusePort: boolean({
    group: "Listening",
    fallback: false,
    text: "Lets several processes share the port; the system spreads connections over them.",
  }),
  nodes: integer({
    group: "Listening",
    fallback: 1,
    min: 1,
    max: 64,
    unit: "processes",
    text: "Broker processes that share the port of this machine; more than one need Redis between them.",
  }),
  node: requiredText({
    group: "Listening",
    isSecret: false,
    fallback: randomNode,
    fallbackText: "random, `n_` and 8 characters",
    check: checkNode,
    text: "Name of this node in connections, logs and metrics.",
  }),
  allowedOrigins: textList({
    group: "Listening",
    isSecret: false,
    type: "list of origins",
    fallbackText: "none: pages of this machine only",
    maxItems: 1000,
    check: checkOrigin,
    text: 'Web pages that may connect, as exact scheme://host[:port]; "*" lets any page. Clients that send no Origin header are no browsers and are not concerned.',
  }),
  allowAnonymous: boolean({
    group: "Listening",
    fallback: false,
    text: "Allows clients without a token on an address that other machines can reach.",
  }),

  tokenSecret: optionalText({
    group: "Tokens",
    isSecret: true,
    check: checkTokenSecret,
    text: "Shared secret of HMAC tokens, 32 bytes at least; `file:<path>` reads it from a file.",
  }),
  tokenPublicKey: optionalText({
    group: "Tokens",
    isSecret: false,
    type: "PEM, JWK or path",
    check: checkPublicKey,
    text: "Public key that tokens are verified with: PEM or JWK text, or the path of such a file.",
  }),
  jwksUrl: optionalText({
    group: "Tokens",
    isSecret: false,
    type: "URL",
    check: checkJwksUrl,
    text: "Where the identity provider publishes its keys (JWKS); https only, except on loopback.",
  }),
  tokenAlgorithms: textList({
    group: "Tokens",
    isSecret: false,
    type: "list of algorithms",
    fallbackText: "all that fit the key",
    maxItems: 13,
    check: checkAlgorithm,
    text: "Signature algorithms accepted; they must fit the key.",
  }),
  tokenIssuer: optionalText({
    group: "Tokens",
    isSecret: false,
    text: "Required `iss` claim; without it the issuer is not looked at.",
  }),
  tokenAudience: optionalText({
    group: "Tokens",
    isSecret: false,
    text: "Required `aud` claim; without it the audience is not looked at.",
  }),
  tokenClockToleranceS: duration({
    group: "Tokens",
    unit: "s",
    fallback: 5,
    min: 0,
    max: 300,
    text: "How far the clocks of broker and token issuer may differ.",
  }),
  tokenMaxAgeS: duration({
    group: "Tokens",
    unit: "s",
    fallback: DAY_S,
    min: 60,
    max: 365 * DAY_S,
    text: "Tokens that expire further ahead than this are refused; revocations are kept this long.",
  }),
  jwksCacheMaxAgeS: duration({
    group: "Tokens",
    unit: "s",
    fallback: 600,
    min: 1,
    max: DAY_S,
    text: "Age at which fetched keys are fetched anew; the old ones stay in use while that fails.",
  }),
  jwksCooldownS: duration({
    group: "Tokens",
    unit: "s",
    fallback: 30,
    min: 1,
    max: 3600,
    text: "Least time between two fetches that an unknown key id or a failure asks for.",
  }),

  apiKeys: textList({
    group: "Server API",
    isSecret: true,
    type: "list of keys",
    fallbackText: "none",
    maxItems: 100,
    check: checkApiKey,
    text: "Keys of the HTTP server API, 16 characters each at least; `file:<path>` reads one a line.",
  }),
  httpMaxBodyBytes: size({
    group: "Server API",
    fallback: MIB,
    min: KIB,
    max: 64 * MIB,
    text: "Largest body of an HTTP request.",
  }),
  apiPublishRate: integer({
    group: "Server API",
    fallback: 0,
    min: 0,
    max: 10_000_000,
    unit: "publications/s",
    text: "Publications one administrator may send over HTTP: an API key, a user with admin tokens, or without any key this machine. Bursts may have twice as many; 0 sets no limit. Other users have publishRate and publishByteRate.",
  }),
  metricsPublic: boolean({
    group: "Server API",
    fallback: false,
    text: "Whether /metrics answers everybody; otherwise only this machine, an API key or an admin token. /health and /livez always answer.",
  }),

  maxConnections: integer({
    group: "Limits",
    fallback: 100_000,
    min: 1,
    max: 10_000_000,
    unit: "connections",
    text: "Connections this node accepts.",
  }),
  maxConnectionsPerUser: integer({
    group: "Limits",
    fallback: 5,
    min: 0,
    max: 10_000_000,
    unit: "connections",
    text: "Connections of one user; 0 sets no limit.",
  }),
  maxConnectionsPerIp: integer({
    group: "Limits",
    fallback: 0,
    min: 0,
    max: 10_000_000,
    unit: "connections",
    text: "Connections from one address; 0 sets no limit.",
  }),
  maxSubscriptions: integer({
    group: "Limits",
    fallback: 128,
    min: 1,
    max: 1_000_000,
    unit: "subscriptions",
    text: "Subscriptions of one connection.",
  }),
  maxSubscribersPerChannel: NAMESPACE_OPTIONS.maxSubscribers,
  maxChannels: integer({
    group: "Limits",
    fallback: 1_000_000,
    min: 1,
    max: 100_000_000,
    unit: "channels",
    text: "Channels this node holds at once.",
  }),
  maxMessageBytes: size({
    group: "Limits",
    fallback: 64 * KIB,
    min: KIB,
    max: 16 * MIB,
    text: "Largest WebSocket message a client may send.",
  }),
  maxPayloadBytes: NAMESPACE_OPTIONS.maxPayloadBytes,
  publishRate: integer({
    group: "Limits",
    fallback: 0,
    min: 0,
    max: 10_000_000,
    unit: "publications/s",
    text: "Publications one connection may send, and the user of a token over HTTP, with bursts of twice as many; 0 sets no limit.",
  }),
  publishByteRate: size({
    group: "Limits",
    fallback: 0,
    min: 0,
    max: 100 * GIB,
    text: "Payload bytes one connection may publish a second, and the user of a token over HTTP; 0 sets no limit.",
  }),
  commandRate: integer({
    group: "Limits",
    fallback: 1000,
    min: 0,
    max: 10_000_000,
    unit: "commands/s",
    text: "Other commands one connection may send, with bursts of twice as many; 0 sets no limit.",
  }),

  authFailureRate: integer({
    group: "Limits",
    fallback: 60,
    min: 0,
    max: 1_000_000,
    unit: "failures/min",
    text: "Tokens and API keys of one address (IPv6: its /64) that may fail, as many at once; 0 sets no limit. Expired tokens do not count. Beyond it credentials from there are refused unread, except tokens accepted lately. An office behind one address shares the number: one broken client there lets new ones in only as fast as failures are forgiven. Clients of a proxy that adds a forwarding header from a private network are not counted, since they cannot be told apart; with any other proxy set 0 and limit there.",
  }),

  preAuthMs: duration({
    group: "Sessions",
    unit: "ms",
    fallback: 5000,
    min: 100,
    max: 300_000,
    text: "Time a client has from the open socket to its connect frame.",
  }),
  pingIntervalMs: duration({
    group: "Sessions",
    unit: "ms",
    fallback: 25_000,
    min: 100,
    max: 3_600_000,
    text: "Clients are told to ping this often.",
  }),
  pingGraceMs: duration({
    group: "Sessions",
    unit: "ms",
    fallback: 10_000,
    min: 100,
    max: 3_600_000,
    text: "A client not heard from for pingIntervalMs and this long is disconnected.",
  }),
  outboundBytes: size({
    group: "Sessions",
    fallback: 4 * MIB,
    min: 64 * KIB,
    max: GIB,
    text: "Bytes that may wait for one slow session before its policy applies.",
  }),
  outboundTotalBytes: size({
    group: "Sessions",
    fallback: 256 * MIB,
    min: MIB,
    max: 1024 * GIB,
    text: "Bytes that may wait for all slow sessions of this node together.",
  }),
  drainMs: duration({
    group: "Sessions",
    unit: "ms",
    fallback: 10_000,
    min: 0,
    max: 600_000,
    text: "Time over which a broker that shuts down spreads the reconnects of its clients.",
  }),

  historySize: NAMESPACE_OPTIONS.historySize,
  historyTtlMs: NAMESPACE_OPTIONS.historyTtlMs,
  flushIntervalMs: NAMESPACE_OPTIONS.flushIntervalMs,
  ack: NAMESPACE_OPTIONS.ack,
  routing: NAMESPACE_OPTIONS.routing,
  delivery: NAMESPACE_OPTIONS.delivery,
  presence: NAMESPACE_OPTIONS.presence,
  channelIdleMs: duration({
    group: "History and channels",
    unit: "ms",
    fallback: 600_000,
    min: 1000,
    max: 7 * DAY_MS,
    text: "A channel without subscribers and publications is let go after this time.",
  }),
  idempotencyWindowMs: duration({
    group: "History and channels",
    unit: "ms",
    fallback: 120_000,
    min: 0,
    max: DAY_MS,
    text: "A publication id seen again on its channel within this time is published once.",
  }),
  idempotencyKeys: integer({
    group: "History and channels",
    fallback: 1024,
    min: 0,
    max: 1_000_000,
    unit: "ids",
    text: "Publication ids remembered per channel.",
  }),
  namespaces: namespacesOption,

  ...TRANSFORM_OPTIONS,

  ...REDIS_OPTIONS,

  ...TRACE_OPTIONS,

  log: choice({
    group: "Logging",
    choices: ["pretty", "json", "silent"],
    fallback: () => (process.stdout.isTTY ? "pretty" : "json"),
    fallbackText: "pretty on a terminal, else json",
    text: "Form of the log: lines for people on stderr, JSON lines on stdout, or none.",
  }),
  logLevel: choice({
    group: "Logging",
    choices: ["debug", "info", "warn", "error"],
    fallback: () => "info",
    fallbackText: "info",
    text: "Least level that is logged.",
  }),
} as const;

export type OptionName = keyof typeof OPTIONS;

export const OPTION_NAMES = Object.keys(OPTIONS) as readonly OptionName[];

/** `maxConnectionsPerIp` as TICKWIRE_MAX_CONNECTIONS_PER_IP. */
export function variableOf(name: OptionName): string {
  return `TICKWIRE_${name.replaceAll(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`;
}

/** `maxConnectionsPerIp` as --max-connections-per-ip. */
export function flagOf(name: OptionName): string {
  return `--${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}
