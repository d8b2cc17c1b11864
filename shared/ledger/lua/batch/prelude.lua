-- Put before every script of the ledger. Times are the server's own clock, so that the clocks of
-- workers and producers never matter.
local RECORD, PAYLOAD, OWNER, DEATHS = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local CAREFUL, CRASHED, DONE, RESULTS = KEYS[5], KEYS[6], KEYS[7], KEYS[8]
local TROUBLE = KEYS[9]
-- In the place of an image's index, and of a batch's number: the model, while it is loaded.
local LOADING, DEADLY_LOADS = '-1', 3
local WORKER_PREFIX = 'hangtag:worker:'
-- What is so far in the future was written before the server's clock was put back.
local FUTURE_MS = 10000

local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- What a worker creates dies with the job that it belongs to.
local function expire_with_job(key)
  local left = redis.call('PTTL', RECORD)
  if left > 0 then redis.call('PEXPIRE', key, left) end
end

-- A claim is 'parent/child|claimed at, ms'. Answers the owner and the time, or nil.
local function claim_of(batch)
  local claim = redis.call('HGET', OWNER, batch)
  if not claim then return nil end
  local owner, at = string.match(claim, '^(.*)|(%d+)$')
  return owner, tonumber(at)
end

-- An owner lives while its parent's heartbeat does, unless that heartbeat, written after the
-- claim, no longer counts the child; and no claim outlives its limit. A heartbeat from before the
-- clock was put back expires too late to say anything.
local function alive(owner, at, limit_ms)
  local now = now_ms()
  if math.abs(now - at) > limit_ms then return false end
  local parent, child = string.match(owner, '^(.*)/(.*)$')
  local beat = parent and redis.pcall('GET', WORKER_PREFIX .. parent)
  if type(beat) ~= 'string' then return false end
  local readable, heartbeat = pcall(cjson.decode, beat)
  -- Another version's heartbeat is a sign of life all the same.
  if not readable or type(heartbeat) ~= 'table' then return true end
  if type(heartbeat.children) ~= 'table' or type(heartbeat.at_ms) ~= 'number' then return true end
  if heartbeat.at_ms > now + FUTURE_MS then return false end
  if heartbeat.at_ms <= at then return true end
  for _, listed in ipairs(heartbeat.children) do
    if listed == child then return true end
  end
  return false
end

-- Whether the model has ended one child after the other while it was loaded.
local function deadly()
  return (tonumber(redis.call('HGET', DEATHS, LOADING)) or 0) >= DEADLY_LOADS
end
