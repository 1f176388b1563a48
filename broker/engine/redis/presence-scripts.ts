import { FOREIGN, script } from "./scripts.ts";

/**
 * Changes who is present on channels of one partition, and tells the nodes in one message. A change that
 * was made before is not made, nor told, again.
 *
 *   KEYS  what the holder of the lease entered, then per change: the channel's presence
 *   ARGV  name of the lease, pub/sub channel, publish command, changes,
 *         then per change: kind, channel, connection, user as JSON, where it is told
 *
 *   kind  j  joins
 *         q  joins, and nobody is told: all know already
 *         l  leaves, and everybody is told, even if Redis has forgotten that it was there
 *         r  leaves, and everybody is told if it was there
 *         s  the same, if it was there under this lease
 *
 * It is told on the pub/sub channel of all (""), on the one that follows "o", or on both of them ("b").
 * A connection's value is the name of the lease, a space and its user as JSON. Returns per change "" or the
 * key that holds something foreign.
 */
export const changePresenceScript = script(`${FOREIGN}
local problem = foreign({ [KEYS[1]] = 'set' })
if problem then return problem end
local parts, own, results, head = { string.char(3) }, {}, {}, ARGV[1] .. ' '
for i = 1, tonumber(ARGV[4]) do
  local key, a = KEYS[i + 1], 5 * i
  local kind, channel, connection, user = ARGV[a], ARGV[a + 1], ARGV[a + 2], ARGV[a + 3]
  local entry, told = channel .. ' ' .. connection, nil
  local found = redis.call('type', key).ok
  results[i] = ''
  if found ~= 'none' and found ~= 'hash' then
    results[i] = key
    redis.call('srem', KEYS[1], entry)
  elseif kind == 'j' or kind == 'q' then
    if redis.call('hset', key, connection, head .. user) == 1 and kind == 'j' then told = 1 end
    redis.call('sadd', KEYS[1], entry)
  else
    local value = redis.call('hget', key, connection)
    if value and (kind ~= 's' or string.sub(value, 1, #head) == head) then
      redis.call('hdel', key, connection)
      user, told = string.match(value, ' (.*)') or 'null', 0
    elseif kind == 'l' then
      told = 0
    end
    redis.call('srem', KEYS[1], entry)
  end
  if told then
    local part = struct.pack('>BBc0Bc0Hc0', told, #channel, channel, #connection, connection, #user, user)
    local where = ARGV[a + 4]
    if string.sub(where, 1, 1) ~= 'o' then parts[#parts + 1] = part end
    if where ~= '' then
      own[#own + 1] = string.sub(where, 2)
      own[#own + 1] = parts[1] .. part
    end
  end
end
if #parts > 1 then redis.call(ARGV[3], ARGV[2], table.concat(parts)) end
for i = 1, #own, 2 do redis.call(ARGV[3], own[i], own[i + 1]) end
return results
`);
