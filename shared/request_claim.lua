-- CLAIM: may this owner work on this request? If so, everything it needs comes with the answer.
-- ARGV: id, owner, floor, lease_ms, most attempts, outcome if they are used up, ttl_ms
-- Answers {verdict} or {'granted', fence, request, input or nil, attempts}
local me, floor, lease_ms = ARGV[2], count(ARGV[3]), count(ARGV[4])
local found = read(STATE)
if not found then return {'unknown'} end
if found.status ~= 'open' then return {found.status} end
local fence, attempts = found.fence, found.attempts
local mine = live(found) and found.owner == me and fence > floor
if not mine then
  if live(found) and found.owner ~= me then return {'held'} end
  if attempts >= count(ARGV[5]) then
    close('exhausted', ARGV[6], ARGV[7])
    return {'exhausted'}
  end
  fence, attempts = math.max(fence, floor) + 1, attempts + 1
end
redis.call('HSET', STATE, 'owner', me, 'fence', fence, 'attempts', attempts,
  'until_ms', now_ms() + lease_ms)
local request, input = redis.call('HGET', STATE, 'request'), redis.call('GET', INPUT)
return {'granted', fence, request, input, attempts}
