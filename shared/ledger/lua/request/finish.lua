-- FINISH: store the outcome, from the owner of the request. The first wins; the same outcome
-- again is a client's retry.
-- ARGV: id, fence, outcome, ttl_ms, name of a plot, its data...
local outcome, ttl_ms = ARGV[3], ARGV[4]
local found = read(STATE)
if not found or not holds(found, ARGV[2]) then return 0 end
if found.status == 'done' and redis.call('HGET', STATE, 'outcome') == outcome then return 1 end
if found.status ~= 'open' then return 0 end
if ARGV[5] then redis.call('HSET', FILES, unpack(ARGV, 5)) end
close('done', outcome, ttl_ms)
return 1
