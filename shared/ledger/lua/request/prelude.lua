-- Prepended to every script about requests. Times come from the server's clock, so the clocks of
-- trainers and producers do not matter.
-- Users of a shared server may run only the commands in deploy/redis/users.acl.
local STATE, FILES, INPUT, OPEN = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local ID = ARGV[1]
local STATES = {open = true, done = true, cancelled = true}

local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- A whole number that a double holds exactly.
local function count(text)
  if not text or #text > 15 or not string.match(text, '^%d+$') then error('BADSTATE') end
  return tonumber(text)
end

-- The current state of a request, or nil if there is none. Invalid state raises an error before
-- anything has changed. A request without an owner has the owner ''. Work that has not advanced
-- has no `reached`.
local function read(key)
  local status, fence, owner, until_ms, attempts, reached =
    unpack(redis.call('HMGET', key, 'status', 'fence', 'owner', 'until_ms', 'attempts', 'reached'))
  if not status and redis.call('EXISTS', key) == 0 then return nil end
  if not STATES[status] or not owner then error('BADSTATE') end
  return {
    status = status, fence = count(fence), owner = owner,
    until_ms = count(until_ms), attempts = count(attempts), reached = count(reached or '0'),
  }
end

-- Whether an owner holds a lease that has not run out.
local function live(request)
  return request.owner ~= '' and request.until_ms > now_ms()
end

-- Whether this fence is the last one granted, and was not released. A lease that has run out
-- belongs to its owner until another claims the request.
local function holds(request, fence)
  return request.owner ~= '' and request.fence == count(fence)
end

-- Close a request: keys that only the work needs are deleted at once, the rest expires in ttl_ms.
-- HSET first: if memory is full, it fails before anything has changed.
local function close(status, outcome, ttl_ms)
  redis.call('HSET', STATE, 'status', status, 'outcome', outcome)
  redis.call('HDEL', STATE, 'progress')
  redis.call('DEL', INPUT)
  redis.call('ZREM', OPEN, ID)
  redis.call('PEXPIRE', STATE, ttl_ms)
  redis.call('PEXPIRE', FILES, ttl_ms)
end
