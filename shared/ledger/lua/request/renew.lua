-- RENEW: extend the lease and record the progress. A lease that ran out can be renewed unless
-- another owner has claimed the request. Work that is further than in any attempt before starts
-- the count of attempts again.
-- ARGV: id, fence, lease_ms, progress, reached
local reached = count(ARGV[5])
local found = read(STATE)
if not found or not holds(found, ARGV[2]) then return 'lost' end
if found.status == 'cancelled' then return 'cancelled' end
if found.status ~= 'open' then return 'lost' end
if reached > found.reached then redis.call('HSET', STATE, 'reached', reached, 'attempts', 1) end
local now = now_ms()
redis.call('HSET', STATE, 'until_ms', now + count(ARGV[3]), 'renewed_ms', now, 'progress', ARGV[4])
return 'ok'
