-- GET: the current state of a request, read atomically.
-- ARGV: id
-- Returns nil, or {state, request, owner, attempts, progress or nil, outcome or nil,
-- when it was renewed or nil, and now}
local found = read(STATE)
if not found then return nil end
local state, owner = found.status, ''
if state == 'open' then state = 'waiting' end
if state == 'waiting' and live(found) then state, owner = 'running', found.owner end
local request, progress, outcome, renewed_ms =
  unpack(redis.call('HMGET', STATE, 'request', 'progress', 'outcome', 'renewed_ms'))
return {state, request, owner, found.attempts, progress, outcome, renewed_ms, now_ms()}
