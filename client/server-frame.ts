import { Op } from "../protocol/op.ts";
import type { ServerFrame } from "../protocol/push.ts";
import { fields } from "./layout.ts";

const tables: Readonly<Record<number, string>> = {
  [Op.connected]:
    "connected id:u version:u connection:s user:S node:s serverTimeMs:u tokenExpiresInMs:u limits:l",
  [Op.ok]: "ok id:u result:x",
  [Op.error]: "error id:u code:u name:s message:s retryAfterMs:U",
  [Op.publication]: "publication channelId:u offset:u payload:b meta:n",
  [Op.publicationMeta]: "publication channelId:u offset:u meta:m payload:b",
  [Op.channel]: "channel channelId:u name:s epoch:s offset:u",
  [Op.gap]: "gap channelId:u from:u to:u reason:s count:u",
  [Op.unsubscribed]: "unsubscribed channel:s code:u name:s message:s",
  [Op.join]: "join channelId:u connection:s user:S",
  [Op.leave]: "leave channelId:u connection:s user:S",
  [Op.pong]: "pong id:u clientTimeMs:u serverTimeMs:u",
  [Op.drain]: "drain windowMs:u",
  [Op.tokenExpiring]: "token-expiring expiresInMs:u",
};

/**
 * Reads a decoded frame; null for an op this version does not know, which a client skips [P-3.7].
 * @throws TypeError when it is no frame
 */
export function readServerFrame(raw: unknown): ServerFrame | null {
  const op: unknown = Array.isArray(raw) ? raw[0] : null;
  if (typeof op !== "number") throw new TypeError("a frame is due");
  const table = tables[op];
  return table === undefined ? null : (fields(table, raw) as ServerFrame);
}
