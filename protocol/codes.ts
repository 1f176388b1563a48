/**
 * The one registry of codes [P-8]. The same numbers serve error replies and WebSocket close codes, so
 * a client needs one table. The range alone says whether to try again:
 *
 * - 4000-4099 do not retry unchanged
 * - 4100-4199 retry with back-off
 * - 4200-4299 retry at once (within the window the broker named, if any)
 */
export interface CodeInfo {
  readonly code: number;
  /** Stable snake_case name, sent in error replies. */
  readonly name: string;
  /** One sentence for a person; at most 123 bytes, so that it fits a close reason. */
  readonly text: string;
  /** Where it occurs: as an error reply, as a close code, or both. */
  readonly use: "error" | "close" | "both";
  /** HTTP status with which the server API answers it. */
  readonly httpStatus: number;
}

function info(
  code: number,
  name: string,
  use: CodeInfo["use"],
  httpStatus: number,
  text: string,
): CodeInfo {
  return Object.freeze({ code, name, use, httpStatus, text });
}

export const Code = {
  badFrame: info(4000, "bad_frame", "both", 400, "the bytes are not a frame of this protocol"),
  unauthorized: info(4001, "unauthorized", "both", 401, "no valid token; get a new one first"),
  unsupportedVersion: info(
    4002,
    "unsupported_version",
    "both",
    400,
    "protocol version not spoken here",
  ),
  forbidden: info(4003, "forbidden", "both", 403, "the token does not allow this"),
  authTimeout: info(4004, "auth_timeout", "close", 408, "no connect frame within the time allowed"),
  alreadyConnected: info(
    4005,
    "already_connected",
    "error",
    409,
    "this connection has already sent connect",
  ),
  notConnected: info(4006, "not_connected", "both", 400, "the first frame must be connect"),
  badChannel: info(4007, "bad_channel", "error", 400, "not a valid channel name or pattern"),
  unknownOp: info(4008, "unknown_op", "error", 400, "the broker does not know this op"),
  badField: info(4009, "bad_field", "error", 400, "a field has the wrong type or is out of range"),
  channelLimit: info(
    4011,
    "channel_limit",
    "error",
    429,
    "too many subscriptions on this connection",
  ),
  revoked: info(4012, "revoked", "both", 401, "the token or its user was revoked"),
  tooLarge: info(4013, "too_large", "both", 413, "larger than the broker accepts"),
  alreadySubscribed: info(
    4014,
    "already_subscribed",
    "error",
    409,
    "this connection is already subscribed",
  ),
  notSubscribed: info(4015, "not_subscribed", "error", 404, "this connection is not subscribed"),
  disabled: info(4016, "disabled", "error", 400, "the channel's namespace does not offer this"),
  disconnected: info(4017, "disconnected", "close", 403, "disconnected by an administrator"),
  notFound: info(4018, "not_found", "error", 404, "there is no such thing here"),
  transformRejected: info(
    4019,
    "transform_rejected",
    "error",
    422,
    "a transform of the channel does not take this publication",
  ),

  internal: info(4100, "internal", "both", 500, "the broker failed; it has been logged"),
  slow: info(4101, "slow", "close", 503, "too slow to read; reconnect and recover by offset"),
  noPong: info(4102, "no_pong", "close", 408, "nothing heard from the client for too long"),
  tooManyRequests: info(4103, "too_many_requests", "both", 429, "over the rate limit; slow down"),
  overloaded: info(
    4104,
    "overloaded",
    "both",
    503,
    "the broker is at its limit; try another or later",
  ),
  unavailable: info(
    4105,
    "unavailable",
    "both",
    503,
    "the engine cannot be reached; nothing was stored",
  ),
  publishUnknown: info(
    4106,
    "publish_unknown",
    "error",
    504,
    "it is not known whether this was published",
  ),
  connectionLimit: info(4107, "connection_limit", "both", 429, "too many connections of this user"),
  tokenExpired: info(
    4109,
    "token_expired",
    "both",
    401,
    "the token has expired; reconnect with a new one",
  ),
  transformFailed: info(
    4110,
    "transform_failed",
    "error",
    502,
    "a transform of the channel failed; nothing was published",
  ),

  drain: info(
    4200,
    "drain",
    "both",
    503,
    "this broker is shutting down; reconnect within the window",
  ),
  rebalance: info(4201, "rebalance", "close", 503, "please reconnect; another broker has room"),
  resync: info(4202, "resync", "both", 409, "the position cannot be continued; subscribe anew"),
} as const satisfies Record<string, CodeInfo>;

export type CodeName = (typeof Code)[keyof typeof Code]["name"];

const byNumber = new Map<number, CodeInfo>(Object.values(Code).map((entry) => [entry.code, entry]));

/** Looks a code up by its number; undefined for one this version does not know. */
export function codeInfo(code: number): CodeInfo | undefined {
  return byNumber.get(code);
}

export type RetryAdvice = "never" | "backoff" | "now";

/**
 * What a client should do after this error or close code, from its range alone, so that it works for
 * codes the client has never seen. RFC 6455's own codes (below 4000) mean a transport fault: back off.
 */
export function retryAdvice(code: number): RetryAdvice {
  if (code >= 4000 && code < 4100) return "never";
  if (code >= 4200 && code < 4300) return "now";
  return "backoff";
}
