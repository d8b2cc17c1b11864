-- RENEW: its owner is alive and this far. A lease that ran out counts again, unless another has
-- claimed meanwhile.
-- ARGV: id, fence, lease_ms, progress
local found = read(STATE)
if not found or not holds(found, ARGV[2]) then return 'lost' end
if found.status == 'cancelled' then return 'cancelled' end
if found.status ~= 'open' then return 'lost' end
redis.call('HSET', STATE, 'until_ms', now_ms() + count(ARGV[3]), 'progress', ARGV[4])
return 'ok'
