-- CAREFUL: before a careful child touches an image, it says which. This also renews its claim.
-- ARGV: batch, owner, index
-- Answers 0 if the job is gone, or the claim is no longer its own: then it must stop.
local batch, me, index = ARGV[1], ARGV[2], ARGV[3]
if redis.call('EXISTS', RECORD) == 0 then return 0 end
if claim_of(batch) ~= me then return 0 end
redis.call('HSET', CAREFUL, batch, index)
redis.call('HSET', OWNER, batch, me .. '|' .. now_ms())
expire_with_job(CAREFUL)
return 1
