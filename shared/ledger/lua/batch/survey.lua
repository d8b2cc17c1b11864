-- SURVEY: the states of these batches. Claims of dead owners are freed.
-- ARGV: limit_ms, batch...
-- Returns {state of the job, state of each batch...}
local limit_ms = tonumber(ARGV[1])
local states = {redis.call('HGET', RECORD, 'state') or 'unknown'}
if states[1] == 'running' and deadly() then states[1] = 'deadly' end
for i = 2, #ARGV do
  local batch = ARGV[i]
  local state = 'free'
  local owner, at = claim_of(batch)
  if owner and not alive(owner, at, limit_ms) then
    redis.call('HDEL', OWNER, batch)
    owner, state = nil, 'freed'
  end
  if redis.call('GETBIT', DONE, batch) == 1 then state = 'done'
  elseif redis.call('HEXISTS', PAYLOAD, batch) == 0 then state = 'lost'
  elseif owner then state = 'held' end
  states[i] = state
end
return states
