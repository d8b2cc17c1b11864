-- RELEASE: an owner that shuts down releases the request; the attempt does not count.
-- A repeated release has no effect, since there is no owner.
-- ARGV: id, fence
local found = read(STATE)
if not found or found.status ~= 'open' then return 0 end
if found.fence ~= count(ARGV[2]) or found.fence == 0 then return 0 end
if found.owner == '' then return 1 end
redis.call('HSET', STATE, 'owner', '', 'attempts', found.attempts - 1)
return 1
