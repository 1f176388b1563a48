import { FOREIGN, script, scriptInOrder } from "./scripts.ts";

/**
 * Functions that keep a node's list of things, such as its connections, sorted and by id. The index is a sorted
 * set without scores, so that a page of it can be read from any id on:
 *
 *   "i" id              every entry
 *   "a" alias           the same entry in another order; of a connection: hash of the user "." id
 *
 * The hash beside it has alias, a space and the text of each entry. No alias is "".
 */
const LIST = `
local function drop(index, texts, id, alias)
  local old = redis.call('hget', texts, id)
  local found = old and string.match(old, '^(%S*) ')
  if found and found ~= '' and found ~= alias then redis.call('zrem', index, 'a' .. found) end
end
local function put(index, texts, id, alias, text)
  drop(index, texts, id, alias)
  redis.call('zadd', index, 0, 'i' .. id)
  if alias ~= '' then redis.call('zadd', index, 0, 'a' .. alias) end
  redis.call('hset', texts, id, alias .. ' ' .. text)
end
local function take(index, texts, id)
  drop(index, texts, id, '')
  redis.call('zrem', index, 'i' .. id)
  redis.call('hdel', texts, id)
end
`;

/**
 * Lists one connection more of a user, unless the user has too many on all nodes together. Each node writes
 * how many it has, this one included, so that doing it twice does no harm; nodes without a lease do not count.
 *
 *   KEYS  nodes, connections of the user, list index, list texts, nodes that are uncounted
 *   ARGV  the lease's name, what the key of a lease begins with, connections on this node, limit, id, alias, text,
 *         1 to wait for uncounted nodes (else 0)
 *
 * Returns 1 when it was listed, 0 when there are too many, 2 when the lease is not known, 3 when it is too early to
 * say: after Redis lost its data, some nodes have not written their counts again.
 */
export const admitScript = scriptInOrder(`${FOREIGN}${LIST}
local problem = foreign({ [KEYS[1]] = 'set', [KEYS[2]] = 'hash', [KEYS[3]] = 'zset', [KEYS[4]] = 'hash' })
if problem then return problem end
if redis.call('sismember', KEYS[1], ARGV[1]) == 0 then return 2 end
local total, counts = tonumber(ARGV[3]), redis.call('hgetall', KEYS[2])
for i = 1, #counts, 2 do
  if counts[i] ~= ARGV[1] and redis.call('exists', ARGV[2] .. counts[i]) == 1 then
    total = total + (tonumber(counts[i + 1]) or 0)
  end
end
if total > tonumber(ARGV[4]) then return 0 end
if ARGV[8] == '1' and redis.call('exists', KEYS[5]) == 1 then return 3 end
redis.call('hset', KEYS[2], ARGV[1], ARGV[3])
put(KEYS[3], KEYS[4], ARGV[5], ARGV[6], ARGV[7])
return 1
`);

/**
 * Brings entries of a list up to date.
 *
 *   KEYS  list index, list texts
 *   ARGV  per entry: id, alias, text ("" takes it out)
 */
export const listScript = script(`${FOREIGN}${LIST}
local problem = foreign({ [KEYS[1]] = 'zset', [KEYS[2]] = 'hash' })
if problem then return problem end
for i = 1, #ARGV, 3 do
  if ARGV[i + 2] == '' then take(KEYS[1], KEYS[2], ARGV[i])
  else put(KEYS[1], KEYS[2], ARGV[i], ARGV[i + 1], ARGV[i + 2]) end
end
return #ARGV / 3
`);

/**
 * Writes how many connections users have on a node.
 *
 *   KEYS  per user: connections of the user
 *   ARGV  the lease's name, then per user: how many
 *
 * Returns the keys that hold something foreign.
 */
export const countScript = scriptInOrder(`
local refused = {}
for i = 1, #KEYS do
  local found = redis.call('type', KEYS[i]).ok
  if found ~= 'none' and found ~= 'hash' then refused[#refused + 1] = KEYS[i]
  elseif ARGV[i + 1] == '0' then redis.call('hdel', KEYS[i], ARGV[1])
  else redis.call('hset', KEYS[i], ARGV[1], ARGV[i + 1]) end
end
return refused
`);

/**
 * Reads a page of a list.
 *
 *   KEYS  list index, list texts
 *   ARGV  first and last member as ZRANGEBYLEX takes them, entries at most, characters before the id
 *
 * Returns { ids, texts }.
 */
export const pageScript = script(`${FOREIGN}
local problem = foreign({ [KEYS[1]] = 'zset', [KEYS[2]] = 'hash' })
if problem then return problem end
local members = redis.call('zrangebylex', KEYS[1], ARGV[1], ARGV[2], 'LIMIT', 0, ARGV[3])
if #members == 0 then return { {}, {} } end
local ids = {}
for i, member in ipairs(members) do ids[i] = string.sub(member, tonumber(ARGV[4]) + 1) end
return { ids, redis.call('hmget', KEYS[2], unpack(ids)) }
`);

/**
 * Takes a dead node's counts from users, and those aliases off its list that named them.
 *
 *   KEYS  list index, then connections of users
 *   ARGV  the lease's name, members of the index
 */
export const sweepUsersScript = script(`
for i = 2, #KEYS do redis.pcall('hdel', KEYS[i], ARGV[1]) end
for i = 2, #ARGV do redis.call('zrem', KEYS[1], ARGV[i]) end
return #ARGV - 1
`);
