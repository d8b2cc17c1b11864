-- MARK_IMAGE: a child records that it is about to load the model or, if careful, to decode an
-- image. This also renews its claim.
-- ARGV: batch, owner, index; -1: the model is about to be loaded; '': it is loaded
-- Returns 0 if the job is gone or the claim is lost: the child must stop.
local batch, me, index = ARGV[1], ARGV[2], ARGV[3]
if redis.call('EXISTS', RECORD) == 0 then return 0 end
if claim_of(batch) ~= me then return 0 end
if index == '' then
  redis.call('HDEL', CAREFUL, batch)
  forgive(me)
else
  redis.call('HSET', CAREFUL, batch, index)
  expire_with_job(CAREFUL)
end
redis.call('HSET', OWNER, batch, me .. '|' .. now_ms())
return 1
