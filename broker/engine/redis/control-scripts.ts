import { FOREIGN, script } from "./scripts.ts";

/**
 * Remembers what was done to connections, for nodes that do not hear of it now, and tells the nodes.
 *
 *   KEYS  remembered
 *   ARGV  pub/sub channel, publish command, message, wall clock ms up to which is forgotten, most remembered,
 *         then pairs of wall clock ms and what was done
 *
 * Returns how many nodes were told.
 */
export const controlScript = script(`${FOREIGN}
local problem = foreign({ [KEYS[1]] = 'zset' })
if problem then return problem end
for i = 6, #ARGV, 2 do redis.call('zadd', KEYS[1], 'GT', ARGV[i], ARGV[i + 1]) end
redis.call('zremrangebyscore', KEYS[1], '-inf', '(' .. ARGV[4])
redis.call('zremrangebyrank', KEYS[1], 0, -tonumber(ARGV[5]) - 1)
return redis.call(ARGV[2], ARGV[1], ARGV[3])
`);
