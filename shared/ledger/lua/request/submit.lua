-- SUBMIT: create a request, once. No other script creates one.
-- ARGV: id, request, input (optional)
-- Returns the request that exists under this id, or nil if this one is new.
local known = redis.call('HGET', STATE, 'request')
if known then return known end
if redis.call('EXISTS', STATE) == 1 then error('BADSTATE') end
-- HSET first: if memory is full, it fails before anything has changed.
redis.call('HSET', STATE, 'request', ARGV[2], 'status', 'open', 'fence', 0, 'owner', '',
  'until_ms', 0, 'attempts', 0)
redis.call('DEL', FILES, INPUT)
if ARGV[3] then redis.call('SET', INPUT, ARGV[3]) end
local time = redis.call('TIME')
redis.call('ZADD', OPEN, time[1] + time[2] / 1000000, ID)
return nil
