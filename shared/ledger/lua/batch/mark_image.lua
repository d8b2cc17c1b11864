-- CAREFUL: before a child loads the model, or a careful child touches an image, it says so. This
-- also renews its claim.
-- ARGV: batch, owner, index; -1 is the model, and nothing says that it is loaded
-- Answers 0 if the job is gone, or the claim is no longer its own: then it must stop.
local batch, me, index = ARGV[1], ARGV[2], ARGV[3]
if redis.call('EXISTS', RECORD) == 0 then return 0 end
if claim_of(batch) ~= me then return 0 end
if index == '' then
  redis.call('HDEL', CAREFUL, batch)
  redis.call('HDEL', DEATHS, LOADING)
else
  redis.call('HSET', CAREFUL, batch, index)
  expire_with_job(CAREFUL)
end
redis.call('HSET', OWNER, batch, me .. '|' .. now_ms())
return 1
