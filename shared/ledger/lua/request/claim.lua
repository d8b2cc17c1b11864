-- CLAIM: grant a request to this owner, with everything that it needs.
-- A repeated claim while the lease is live returns the same fence and does not count an attempt.
-- After the last attempt it is granted as 'exhausted': its owner only stores that it has failed.
-- ARGV: id, owner, floor, lease_ms, most attempts
-- Returns {verdict} or {'granted' or 'exhausted', fence, request, input or nil, attempts}
local me, floor, lease_ms, most = ARGV[2], count(ARGV[3]), count(ARGV[4]), count(ARGV[5])
local found = read(STATE)
if not found then return {'unknown'} end
if found.status ~= 'open' then return {found.status} end
if live(found) and found.owner ~= me then return {'held'} end
local fence, attempts = found.fence, found.attempts
local again = live(found) and fence > floor
if not again then
  fence, attempts = math.max(fence, floor) + 1, attempts + 1
end
-- Read first: keys of the wrong type raise an error before anything has changed.
local request, input = redis.call('HGET', STATE, 'request'), redis.call('GET', INPUT)
local now = now_ms()
redis.call('HSET', STATE, 'owner', me, 'fence', fence, 'attempts', attempts,
  'until_ms', now + lease_ms, 'renewed_ms', now)
local verdict = 'granted'
if attempts > most then verdict = 'exhausted' end
return {verdict, fence, request, input, attempts}
