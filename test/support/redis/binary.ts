import { describe } from "bun:test";

import { findRedis } from "../../../tools/redis.mjs";

const MISSING = "skipped: no redis-server 7 or later, see `node tools/redis.mjs`";

/** @throws when there is none */
export function redisServerProgram(): string {
  const program = findRedis();
  if (program === undefined) throw new Error(MISSING);
  return program;
}

/** `describe`, but skipped with a reason in its name where no redis-server can be had. */
export function describeWithRedis(name: string, body: () => void): void {
  const isMissing = findRedis() === undefined;
  describe.skipIf(isMissing)(isMissing ? `${name} (${MISSING})` : name, body);
}
