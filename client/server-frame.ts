import { Op } from "../protocol/op.ts";
import type { ServerFrame } from "../protocol/push.ts";
import { fields } from "./layout.ts";

/** The frames from op 32 on, in the order of protocol/op.ts. */
const tables = [
  "connected id:u version:u connection:s user:S node:s serverTimeMs:u tokenExpiresInMs:u limits:l",
  "ok id:u result:x",
  "error id:u code:u name:s message:s retryAfterMs:U",
  "publication channelId:u offset:u payload:b meta:n",
  "publication channelId:u offset:u meta:m payload:b",
  "channel channelId:u name:s epoch:s offset:u",
  "gap channelId:u from:u to:u reason:s count:u",
  "unsubscribed channel:s code:u name:s message:s",
  "join channelId:u connection:s user:S",
  "leave channelId:u connection:s user:S",
  "pong id:u clientTimeMs:u serverTimeMs:u",
  "drain windowMs:u",
  "token-expiring expiresInMs:u",
  "notice channel:S state:s message:s",
];

/**
 * Reads a decoded frame; null for an op this version does not know, which a client skips [P-3.7].
 * @throws TypeError when it is no frame
 */
export function readServerFrame(raw: unknown): ServerFrame | null {
  const op: unknown = Array.isArray(raw) ? raw[0] : null;
  if (typeof op !== "number") throw new TypeError("a frame is due");
  const table = tables[op - Op.connected];
  return table === undefined ? null : (fields(table, raw) as ServerFrame);
}
