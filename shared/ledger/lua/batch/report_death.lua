-- REPORT_DEATH: a living parent reports the death of its child. If the child held this batch, the
-- claim is freed and the death is counted: for the model and this parent if it was being loaded,
-- otherwise for the batch and, with a careful child, for its current image. A repeated report does
-- not count, since the claim is gone.
-- ARGV: batch, 'parent/pid:' of the child
local batch, child = ARGV[1], ARGV[2]
if redis.call('EXISTS', RECORD) == 0 then return 0 end
local owner = claim_of(batch)
if not owner or string.sub(owner, 1, #child) ~= child then return 0 end
redis.call('HDEL', OWNER, batch)
local index = redis.call('HGET', CAREFUL, batch)
local blamed, cause = batch, index
if index == LOADING then
  blamed, cause = LOADING, parent_of(owner)
else
  -- An invalid counter must not prevent a crashing image from being found.
  local counted = redis.pcall('HINCRBY', DEATHS, batch, 1)
  if type(counted) == 'table' then redis.call('HSET', DEATHS, batch, 1) end
  expire_with_job(DEATHS)
end
if cause then
  local counts = crashes(blamed)
  counts[cause] = (tonumber(counts[cause]) or 0) + 1
  redis.call('HSET', CRASHED, blamed, cjson.encode(counts))
  expire_with_job(CRASHED)
end
redis.call('HDEL', CAREFUL, batch)
return 1
