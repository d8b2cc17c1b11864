-- SURVEY: the states of these batches. Claims of dead owners are freed. The job is deadly if loading
-- its model has crashed the children of every worker, and none of them works on a batch.
-- ARGV: limit_ms, the workers that are alive as JSON, batch...
-- Returns {state of the job, state of each batch...}
local limit_ms, workers = tonumber(ARGV[1]), cjson.decode(ARGV[2])
-- Keys of another type fail here: the rest of this script does not read these two.
for _, key in ipairs({DEATHS, CAREFUL}) do redis.call('HLEN', key) end
local states = {redis.call('HGET', RECORD, 'state') or 'unknown'}
local deadly, loads = #workers > 0, crashes(LOADING)
for _, worker in ipairs(workers) do
  if not unfit(worker, loads) then deadly = false end
end
for i = 3, #ARGV do
  local batch = ARGV[i]
  local state = 'free'
  local owner, at = claim_of(batch)
  if owner and not alive(owner, at, limit_ms) then
    redis.call('HDEL', OWNER, batch)
    owner, state = nil, 'freed'
  end
  if redis.call('GETBIT', DONE, batch) == 1 then state = 'done'
  elseif redis.call('HEXISTS', PAYLOAD, batch) == 0 then state = 'lost'
  elseif owner then state, deadly = 'held', false end
  states[i - 1] = state
end
if deadly and states[1] == 'running' then states[1] = 'deadly' end
return states
