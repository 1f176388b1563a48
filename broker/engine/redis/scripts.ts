/** A Lua script and the name Redis keeps it under. */
export interface Script {
  readonly source: string;
  /** Null for one that is sent whole each time. */
  readonly sha: string | null;
}

export function script(source: string): Script {
  return { source, sha: new Bun.CryptoHasher("sha1").update(source).digest("hex") };
}

/**
 * A script whose calls must be executed in the order they were made in while several are on their way: one
 * that is called by its name must be called again where Redis does not know it, behind what came after it.
 */
export function scriptInOrder(source: string): Script {
  return { source, sha: null };
}

/**
 * The head of scripts that must not work on what is not ours: `foreign` answers with an error that names the
 * key. Its argument maps keys to the types they must have, where they exist.
 */
export const FOREIGN = `
local function foreign(types)
  for key, wanted in pairs(types) do
    local found = redis.call('type', key).ok
    if found ~= 'none' and found ~= wanted then
      return redis.error_reply('FOREIGN ' .. key .. ' holds a ' .. found .. ', which is not Tickwire\\'s')
    end
  end
end
`;

/**
 * The head of both scripts. The epoch of a stream is bound to a fence, Redis's own replication id, which
 * changes whenever a server is promoted or comes back from disk: whatever happened to the tail of the data
 * then, offsets given out after it belong to a new epoch, and clients cannot mistake them for the old
 * ones. The parent epoch and the offset up to which both share the same publications are kept, so that
 * clients who had not seen more go on without a break.
 */
const POSITION = `
local fence = string.match(redis.call('info', 'replication'), 'master_replid:(%x+)')
local function position(meta, stream, fresh)
  local m = redis.call('hmget', meta, 'e', 'o', 'f', 'pe', 'fo')
  local epoch, top = m[1], tonumber(m[2] or 0)
  if epoch and m[3] == fence then return epoch, top, m[4] or '', tonumber(m[5] or 0) end
  if not epoch then
    redis.call('hset', meta, 'e', fresh, 'f', fence, 'o', 0)
    redis.call('del', stream)
    return fresh, 0, '', 0
  end
  redis.call('hset', meta, 'e', fresh, 'f', fence, 'pe', epoch, 'fo', top)
  return fresh, top, epoch, top
end
`;

/**
 * Publishes one batch of one partition: gives offsets, appends history, fans out, all or nothing.
 *
 *   KEYS  ring, then per group: history, meta, publication id
 *   ARGV  seq, pub/sub channel, publish command, fresh epoch, timeMs, groups, ring ttl ms, message header,
 *         then per group: name, count, run, history size, history ttl ms, meta ttl ms, id window ms (0: no id),
 *         pub/sub channel of its own ("": the batch's)
 *
 * Returns { 0, results } or, for a batch that was executed before, { 1, the same results }; { 2 } for one
 * older than that. A result is "offset:epoch:duplicate" or "!" and the error of a group whose keys hold
 * something foreign; the other groups of the batch are not affected.
 */
export const publishScript = script(`${POSITION}
local seq, n = ARGV[1], tonumber(ARGV[6])
local last = redis.call('hmget', KEYS[1], 's', 'r')
if last[1] then
  if last[1] == seq then return { 1, cmsgpack.unpack(last[2]) } end
  if tonumber(last[1]) > tonumber(seq) then return { 2 } end
end
local results, parts, own = {}, { ARGV[8] }, {}
for i = 1, n do
  local stream, meta, idKey = KEYS[3 * i - 1], KEYS[3 * i], KEYS[3 * i + 1]
  local a = 9 + (i - 1) * 8
  local name, count, run, size = ARGV[a], tonumber(ARGV[a + 1]), ARGV[a + 2], tonumber(ARGV[a + 3])
  local seen = ARGV[a + 6] ~= '0' and redis.pcall('get', idKey)
  if type(seen) == 'string' then
    results[i] = seen .. ':1'
  else
    local kinds = redis.call('type', meta).ok .. ' ' .. redis.call('type', stream).ok
    if type(seen) == 'table' then
      results[i] = '!foreign value under ' .. idKey
    elseif not (kinds == 'none none' or kinds == 'hash none' or kinds == 'hash stream' or kinds == 'none stream') then
      results[i] = '!foreign value under ' .. meta .. ' or ' .. stream .. ' (' .. kinds .. ')'
    else
      local epoch, top = position(meta, stream, ARGV[4])
      local first, newest = top + 1, top + count
      redis.call('hset', meta, 'o', newest)
      local oldest = newest - size + 1
      local added
      if oldest > 1 then
        added = redis.pcall('xadd', stream, 'MINID', oldest .. '-0', newest .. '-0', 'd', run, 'n', count, 't', ARGV[5])
      else
        added = redis.pcall('xadd', stream, newest .. '-0', 'd', run, 'n', count, 't', ARGV[5])
      end
      if type(added) == 'table' then
        redis.call('del', stream)
        redis.call('hdel', meta, 'pe', 'fo')
        redis.call('hset', meta, 'e', ARGV[4])
        epoch = ARGV[4]
        redis.call('xadd', stream, newest .. '-0', 'd', run, 'n', count, 't', ARGV[5])
      end
      redis.call('pexpire', stream, ARGV[a + 4])
      redis.call('pexpire', meta, ARGV[a + 5])
      results[i] = string.format('%.0f', first) .. ':' .. epoch
      if ARGV[a + 6] ~= '0' then redis.call('set', idKey, results[i], 'PX', ARGV[a + 6]) end
      results[i] = results[i] .. ':0'
      local head = struct.pack('>Bc0Bc0I8I2I8I4', #name, name, #epoch, epoch, first, count, tonumber(ARGV[5]), #run)
      if ARGV[a + 7] == '' then
        parts[#parts + 1] = head
        parts[#parts + 1] = run
      else
        own[#own + 1] = ARGV[a + 7]
        own[#own + 1] = ARGV[8] .. head .. run
      end
    end
  end
end
redis.call('hset', KEYS[1], 's', seq, 'r', cmsgpack.pack(results))
redis.call('pexpire', KEYS[1], ARGV[7])
if #parts > 1 then redis.call(ARGV[3], ARGV[2], table.concat(parts)) end
for i = 1, #own, 2 do redis.call(ARGV[3], own[i], own[i + 1]) end
return { 0, results }
`);

/**
 * Publishes messages on several pub/sub channels of one partition.
 *
 *   KEYS  a key of the partition, so that the server knows whether it has it; it is not used
 *   ARGV  publish command, then per message: pub/sub channel, message
 */
export const publishPlainScript = script(`
for i = 2, #ARGV, 2 do redis.call(ARGV[1], ARGV[i], ARGV[i + 1]) end
return 1
`);

/**
 * Reads a stream's position and history from an offset on.
 *
 *   KEYS  history, meta
 *   ARGV  fresh epoch, meta ttl ms, read after this offset, entries at most
 *
 * Returns { epoch, top, parent epoch, fork offset, entries }.
 */
export const readScript = script(`${FOREIGN}
local problem = foreign({ [KEYS[1]] = 'stream', [KEYS[2]] = 'hash' })
if problem then return problem end
${POSITION}
local epoch, top, parent, fork = position(KEYS[2], KEYS[1], ARGV[1])
redis.call('pexpire', KEYS[2], ARGV[2])
local entries = {}
if ARGV[4] ~= '0' then
  entries = redis.call('xrange', KEYS[1], string.format('%.0f', tonumber(ARGV[3]) + 1) .. '-0', '+', 'COUNT', ARGV[4])
end
return { epoch, top, parent, fork, entries }
`);
