import { FOREIGN, script } from "./scripts.ts";

/**
 * Takes or renews a lease, unless its holder was found dead meanwhile.
 *
 * A holder that is not known any more, and nodes that are there while no lease is, tell that Redis lost its data:
 * those nodes are noted, for a while, as not having counted their connections anew. Who is there is told by the
 * pub/sub channels that nodes listen on, which outlive the data, and by whom the holder knew of.
 *
 *   KEYS  lease, nodes, dead, gone, uncounted
 *   ARGV  the lease's name, lease ms, the run it is of, 1 when it was held already (else 0), how long others wait
 *         for those uncounted in ms, how PUBSUB lists channels, what the channel of a run begins with, how the
 *         holder routes channels, what the key of a lease begins with ("": it has had one), then: runs known of
 *
 * Returns 0 for a new one, 1 for one that was known, 2 when its holder must take another, 3 for a new one when
 * other nodes are to count anew; { name, routing } of a lease that stands whose holder routes channels otherwise,
 * where one that has had none is to be taken.
 */
export const renewScript = script(`${FOREIGN}
local problem = foreign({ [KEYS[1]] = 'string', [KEYS[2]] = 'set', [KEYS[3]] = 'set', [KEYS[5]] = 'set' })
if problem then return problem end
if redis.call('sismember', KEYS[3], ARGV[1]) == 1 or redis.call('exists', KEYS[4]) == 1 then return 2 end
if ARGV[9] ~= '' then
  for _, name in ipairs(redis.call('smembers', KEYS[2])) do
    local routing = redis.call('get', ARGV[9] .. name)
    if routing and routing ~= ARGV[8] then return { name, routing } end
  end
end
local isFirst = redis.call('exists', KEYS[2]) == 0
redis.call('set', KEYS[1], ARGV[8], 'PX', ARGV[2])
if redis.call('sadd', KEYS[2], ARGV[1]) == 0 then return 1 end
local others = false
if ARGV[4] == '1' then redis.call('sadd', KEYS[5], ARGV[3]) end
if isFirst then
  local listening = redis.pcall('pubsub', ARGV[6], ARGV[7] .. '*')
  local runs = {}
  for i = 1, #listening do runs[i] = string.sub(listening[i], #ARGV[7] + 1) end
  for i = 10, #ARGV do runs[#runs + 1] = ARGV[i] end
  for _, run in ipairs(runs) do
    if run ~= ARGV[3] then
      redis.call('sadd', KEYS[5], run)
      others = true
    end
  end
end
if others or ARGV[4] == '1' then redis.call('pexpire', KEYS[5], ARGV[5]) end
return others and 3 or 0
`);

/**
 * A node has counted its connections anew; void when Redis lost its data again meanwhile.
 *
 *   KEYS  nodes, uncounted
 *   ARGV  the lease's name, the run it is of
 */
export const countedScript = script(`
if redis.call('sismember', KEYS[1], ARGV[1]) == 1 then redis.call('srem', KEYS[2], ARGV[2]) end
return 1
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
