import { Code } from "../protocol/codes.ts";
import { scalar, split } from "./instrument.ts";
import type { Instrument } from "./instrument.ts";

const codes = Object.values(Code);
const ERROR_NAMES = codes.filter(({ use }) => use !== "close").map(({ name }) => name);
const CLOSE_NAMES = [
  "normal",
  "going_away",
  "no_code",
  "abnormal",
  "message_too_big",
  ...codes.filter(({ use }) => use !== "error").map(({ name }) => name),
];

/** Connections, and what they send. */
export const CONNECTION_INSTRUMENTS: readonly Instrument[] = [
  scalar(
    "counter",
    "tickwire_connections_opened_total",
    "{connection}",
    "WebSocket connections accepted.",
    (s) => s.stats.connectionsOpened,
  ),
  scalar(
    "gauge",
    "tickwire_connections",
    "{connection}",
    "WebSocket connections open now.",
    (s) => s.stats.connectionsOpen,
  ),
  split(
    "tickwire_closes_total",
    "{connection}",
    "Connections closed, by the name of the close code.",
    "code",
    CLOSE_NAMES,
    (s) => s.stats.closesByCode,
  ),
  scalar(
    "gauge",
    "tickwire_subscriptions",
    "{subscription}",
    "Subscriptions open now.",
    (s) => s.stats.subscriptionsOpen,
  ),
  scalar(
    "gauge",
    "tickwire_channels",
    "{channel}",
    "Channels this node holds now.",
    (s) => s.stats.channelsOpen,
  ),
  scalar(
    "counter",
    "tickwire_received_messages_total",
    "{message}",
    "WebSocket messages received.",
    (s) => s.stats.messagesReceived,
  ),
  scalar(
    "counter",
    "tickwire_received_bytes_total",
    "By",
    "Bytes of WebSocket messages received.",
    (s) => s.stats.bytesReceived,
  ),
  split(
    "tickwire_errors_total",
    "{error}",
    "Error replies, by the name of the code.",
    "code",
    ERROR_NAMES,
    (s) => s.stats.errorsByCode,
  ),
  split(
    "tickwire_auth_failures_total",
    "{attempt}",
    "Tokens and API keys that were looked at and not accepted, by the name of the code.",
    "code",
    [Code.unauthorized, Code.revoked, Code.tokenExpired].map(({ name }) => name),
    (s) => s.stats.authFailuresByCode,
  ),
  split(
    "tickwire_rate_refusals_total",
    "{refusal}",
    "What was refused for being over a rate, on sockets and over HTTP, by the rate.",
    "reason",
    ["command_rate", "publish_rate", "publish_byte_rate", "api_publish_rate", "auth_failures"],
    (s) => s.stats.rateRefusalsByReason,
  ),
];
