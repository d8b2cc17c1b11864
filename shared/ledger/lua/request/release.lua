-- RELEASE: an owner that ends in good order gives the request back; the attempt does not count.
-- Given back twice, it counts once: the second time there is no owner.
-- ARGV: id, fence
local found = read(STATE)
if not found or found.status ~= 'open' then return 0 end
if found.fence ~= count(ARGV[2]) or found.fence == 0 then return 0 end
if found.owner == '' then return 1 end
redis.call('HSET', STATE, 'owner', '', 'attempts', found.attempts - 1)
return 1
