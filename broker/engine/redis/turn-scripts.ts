import { FOREIGN, script } from "./scripts.ts";

/**
 * Takes a turn, or keeps it.
 *
 *   KEYS  turn
 *   ARGV  token of whoever takes it, ms that it lasts
 *
 * Returns 1, or 0 while somebody else has it.
 */
export const takeTurnScript = script(`${FOREIGN}
local problem = foreign({ [KEYS[1]] = 'string' })
if problem then return problem end
local holder = redis.call('get', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('set', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
`);

/**
 * Ends a turn, if it is still whose it was.
 *
 *   KEYS  turn
 *   ARGV  token
 */
export const endTurnScript = script(`
if redis.call('get', KEYS[1]) == ARGV[1] then redis.call('del', KEYS[1]) end
return 1
`);
