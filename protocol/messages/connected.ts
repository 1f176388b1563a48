import type { RawFrame } from "../codec.ts";
import { arrayField, optionalStringField, stringField, uintField } from "../fields.ts";
import type { Frame } from "../frame.ts";
import { MAX_REQUEST_ID } from "../limits.ts";
import { Op } from "../op.ts";

/**
 * [32, id, version, connection, user | nil, node, serverTimeMs, tokenExpiresInMs,
 *  [pingIntervalMs, maxMessageBytes, maxPayloadBytes, maxSubscriptions, receiptIntervalMs, slowMs]]
 *   the reply to connect [P-6.1]
 */
export interface ConnectedReply {
  readonly type: "connected";
  readonly id: number;
  readonly version: number;
  readonly connection: string;
  readonly user: string | null;
  readonly node: string;
  /** Broker's wall clock, ms since 1970. */
  readonly serverTimeMs: number;
  /** Time until the token expires, ms; 0 when there is none. */
  readonly tokenExpiresInMs: number;
  readonly limits: ConnectionLimits;
}

/** What this broker accepts from this connection. */
export interface ConnectionLimits {
  /** Send something (a ping) at least this often, ms. */
  readonly pingIntervalMs: number;
  /** A whole WebSocket message, bytes. */
  readonly maxMessageBytes: number;
  /** One payload, bytes. */
  readonly maxPayloadBytes: number;
  /** Subscriptions at a time. */
  readonly maxSubscriptions: number;
  /** Report the newest publication at most this often, ms; 0 for never. Null: the broker does not say. */
  readonly receiptIntervalMs: number | null;
  /** Report one that took longer than this at once, ms; 0 for none. */
  readonly slowMs: number | null;
}

export function encodeConnected(reply: Omit<ConnectedReply, "type">): Frame {
  const { pingIntervalMs, maxMessageBytes, maxPayloadBytes, maxSubscriptions } = reply.limits;
  const { receiptIntervalMs, slowMs } = reply.limits;
  const limits = [pingIntervalMs, maxMessageBytes, maxPayloadBytes, maxSubscriptions];
  // Fields at the end that say nothing are left out.
  if (receiptIntervalMs !== null) limits.push(receiptIntervalMs);
  if (receiptIntervalMs !== null && slowMs !== null) limits.push(slowMs);
  return [
    Op.connected,
    reply.id,
    reply.version,
    reply.connection,
    reply.user,
    reply.node,
    reply.serverTimeMs,
    reply.tokenExpiresInMs,
    limits,
  ];
}

export function decodeConnected(frame: RawFrame): ConnectedReply {
  const limits = arrayField(frame[8], "limits");
  return {
    type: "connected",
    id: uintField(frame[1], "id", MAX_REQUEST_ID),
    version: uintField(frame[2], "version"),
    connection: stringField(frame[3], "connection", 64),
    user: optionalStringField(frame[4], "user", 1024),
    node: stringField(frame[5], "node", 64),
    serverTimeMs: uintField(frame[6], "serverTimeMs"),
    tokenExpiresInMs: uintField(frame[7], "tokenExpiresInMs"),
    limits: {
      pingIntervalMs: uintField(limits[0], "pingIntervalMs"),
      maxMessageBytes: uintField(limits[1], "maxMessageBytes"),
      maxPayloadBytes: uintField(limits[2], "maxPayloadBytes"),
      maxSubscriptions: uintField(limits[3], "maxSubscriptions"),
      receiptIntervalMs: optionalUint(limits[4], "receiptIntervalMs"),
      slowMs: optionalUint(limits[5], "slowMs"),
    },
  };
}

function optionalUint(value: unknown, name: string): number | null {
  return value === undefined || value === null ? null : uintField(value, name);
}
