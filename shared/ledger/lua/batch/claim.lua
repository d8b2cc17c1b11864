-- CLAIM: grant a batch to this owner, with everything that it needs.
-- ARGV: batch, owner, limit_ms
-- Returns {verdict} or {'run', record, payload, deaths, deaths by image index as JSON}
local batch, me, limit_ms = ARGV[1], ARGV[2], tonumber(ARGV[3])
local record, state = unpack(redis.call('HMGET', RECORD, 'record', 'state'))
if not record then return {'unknown'} end
if state == 'cancelled' then return {'cancelled'} end
if redis.call('GETBIT', DONE, batch) == 1 then return {'done'} end
local owner, at = claim_of(batch)
if owner and owner ~= me and alive(owner, at, limit_ms) then return {'held'} end
local payload = redis.call('HGET', PAYLOAD, batch)
if not payload then return {'lost'} end
if unfit(parent_of(me), crashes(LOADING)) then
  -- The producer's next survey frees it and sends the hint again.
  redis.call('HSET', OWNER, batch, EXPIRED)
  expire_with_job(OWNER)
  return {'unfit'}
end
redis.call('HSET', OWNER, batch, me .. '|' .. now_ms())
redis.call('HDEL', CAREFUL, batch)
expire_with_job(OWNER)
local deaths = redis.call('HGET', DEATHS, batch) or '0'
return {'run', record, payload, deaths, redis.call('HGET', CRASHED, batch) or '{}'}
