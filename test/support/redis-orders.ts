import { ProtocolClient } from "./protocol-client.ts";
import type { RedisNode } from "./redis-node.ts";
import { ALL, signToken } from "./tokens.ts";

/** Codes with which orders close connections. */
export const DISCONNECTED = 4017;
export const REVOKED = 4012;

/** Issued so long ago that a revocation now concerns it, whatever the second. */
export function oldToken(user: string, jti?: string): Promise<string> {
  const times = { nowMs: Date.now() - 60_000, ...(jti === undefined ? {} : { jti }) };
  return signToken(user, ALL, times);
}

export async function connectWith(node: RedisNode, token: string): Promise<ProtocolClient> {
  return ProtocolClient.connect(node.url, { token });
}
