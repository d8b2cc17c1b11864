-- Prepended to every script of the ledger. Times come from the server's clock, so the clocks of
-- workers and producers do not matter.
-- Users of a shared server may run only the commands in deploy/redis/users.acl.
local RECORD, PAYLOAD, OWNER, DEATHS = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local CAREFUL, CRASHED, DONE, RESULTS = KEYS[5], KEYS[6], KEYS[7], KEYS[8]
local TROUBLE = KEYS[9]
-- LOADING stands for the model instead of an image's index or a batch's number.
local LOADING, DEADLY_LOADS = '-1', 3
-- A claim without an owner that is past every limit.
local EXPIRED = '|0'
local WORKER_PREFIX = 'hangtag:3:worker:'
-- Heartbeats dated further in the future predate a reset of the server's clock.
local FUTURE_MS = 10000
-- A parent usually knows within this time that a child works on a hint; not if its connection
-- breaks between the two. The batch is then classified twice, and the first result counts.
local IDLE_MS = 5000

local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- Keys that a worker creates expire with their job.
local function expire_with_job(key)
  local left = redis.call('PTTL', RECORD)
  if left > 0 then redis.call('PEXPIRE', key, left) end
end

-- A claim is 'parent/child|claimed at, ms'. Returns the owner and the time, or nil.
local function claim_of(batch)
  local claim = redis.call('HGET', OWNER, batch)
  if not claim then return nil end
  local owner, at = string.match(claim, '^(.*)|(%d+)$')
  return owner, tonumber(at)
end

local function contains(list, child)
  if type(list) ~= 'table' then return false end
  for _, listed in ipairs(list) do
    if listed == child then return true end
  end
  return false
end

-- An owner is alive while its parent's heartbeat exists, unless a heartbeat written after the
-- claim no longer lists the child, or lists it as idle: its result was lost with the server's last
-- writes. No claim outlives its limit. A heartbeat from before a reset of the clock is ignored,
-- since it expires too late.
local function alive(owner, at, limit_ms)
  local now = now_ms()
  if math.abs(now - at) > limit_ms then return false end
  local parent, child = string.match(owner, '^(.*)/(.*)$')
  local beat = parent and redis.pcall('GET', WORKER_PREFIX .. parent)
  if type(beat) ~= 'string' then return false end
  local readable, heartbeat = pcall(cjson.decode, beat)
  -- One that cannot be read counts too.
  if not readable or type(heartbeat) ~= 'table' then return true end
  if type(heartbeat.children) ~= 'table' or type(heartbeat.at_ms) ~= 'number' then return true end
  if heartbeat.at_ms > now + FUTURE_MS then return false end
  if heartbeat.at_ms <= at then return true end
  if heartbeat.at_ms > at + IDLE_MS and contains(heartbeat.idle, child) then return false end
  return contains(heartbeat.children, child)
end

-- The deaths of a batch by image, or those at LOADING by parent. An invalid field counts as none.
local function crashes(blamed)
  local readable, counts = pcall(cjson.decode, redis.call('HGET', CRASHED, blamed) or '{}')
  if not readable or type(counts) ~= 'table' then return {} end
  return counts
end

local function parent_of(owner)
  return (string.gsub(owner, '/.*$', ''))
end

-- Whether loading the model has crashed too many children of this parent, in a row.
local function unfit(parent, loads)
  return (tonumber(loads[parent]) or 0) >= DEADLY_LOADS
end

-- A child has the model in memory: the earlier deaths of its parent's children do not count.
local function forgive(owner)
  local loads, parent = crashes(LOADING), parent_of(owner)
  if loads[parent] then
    loads[parent] = nil
    redis.call('HSET', CRASHED, LOADING, cjson.encode(loads))
  end
end
