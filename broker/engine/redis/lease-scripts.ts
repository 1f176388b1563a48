import { FOREIGN, script } from "./scripts.ts";

/**
 * Takes or renews a lease, unless its holder was found dead meanwhile.
 *
 *   KEYS  lease, nodes, dead, gone
 *   ARGV  the lease's name, lease ms
 *
 * Returns 0 for a new one, 1 for one that was known, 2 when its holder must take another.
 */
export const renewScript = script(`${FOREIGN}
local problem = foreign({ [KEYS[1]] = 'string', [KEYS[2]] = 'set', [KEYS[3]] = 'set' })
if problem then return problem end
if redis.call('sismember', KEYS[3], ARGV[1]) == 1 or redis.call('exists', KEYS[4]) == 1 then return 2 end
redis.call('set', KEYS[1], '1', 'PX', ARGV[2])
return 1 - redis.call('sadd', KEYS[2], ARGV[1])
`);

/**
 * Reads who is there.
 *
 *   KEYS  nodes
 *   ARGV  what the key of a lease begins with
 *
 * Returns { names of leases that stand, names of leases that ran out }.
 */
export const viewScript = script(`
local standing, expired = {}, {}
for _, name in ipairs(redis.call('smembers', KEYS[1])) do
  local list = redis.call('exists', ARGV[1] .. name) == 1 and standing or expired
  list[#list + 1] = name
end
return { standing, expired }
`);

/**
 * Declares nodes dead whose lease has run out (still, when the script comes to them), and claims the work of
 * deleting what dead ones left: one node at a time does it, and when it does not come to the end, another.
 *
 *   KEYS  nodes, dead
 *   ARGV  what the keys of leases, of claims and of swept nodes begin with, claim ms, dead nodes to claim at
 *         most, suspects
 *
 * Returns the names of the leases claimed.
 */
export const claimScript = script(`
for i = 6, #ARGV do
  if redis.call('exists', ARGV[1] .. ARGV[i], ARGV[3] .. ARGV[i]) == 0 then
    redis.call('srem', KEYS[1], ARGV[i])
    redis.call('sadd', KEYS[2], ARGV[i])
  end
end
local claimed = {}
for _, name in ipairs(redis.call('srandmember', KEYS[2], ARGV[5])) do
  if redis.call('set', ARGV[2] .. name, '1', 'NX', 'PX', ARGV[4]) then claimed[#claimed + 1] = name end
end
return claimed
`);

/**
 * Nothing is left of a dead node. That is remembered for a while, so that it learns of it should it only
 * have been asleep.
 *
 *   KEYS  nodes, dead, gone, claim, lease
 *   ARGV  the lease's name, how long it is remembered in ms (0: its holder leaves by itself)
 */
export const forgetScript = script(`
redis.call('srem', KEYS[1], ARGV[1])
redis.call('srem', KEYS[2], ARGV[1])
if ARGV[2] ~= '0' then redis.call('set', KEYS[3], '1', 'PX', ARGV[2]) end
redis.call('del', KEYS[4], KEYS[5])
return 1
`);
