-- COMPLETE: the first result of a batch wins; the done bit survives the trimming of the stream.
-- The result of an owner that lost its claim is accepted unless a live owner holds the batch.
-- Without a claim the images must exist: so the stream holds at most one result for each batch
-- that was offered, and none above the limit that the producer has set.
-- ARGV: batch, owner, limit_ms, result
local batch, me, limit_ms, result = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]
if redis.call('EXISTS', RECORD) == 0 then return 'unknown' end
if redis.call('GETBIT', DONE, batch) == 1 then return 'done' end
local owner, at = claim_of(batch)
if owner ~= me then
  if owner and alive(owner, at, limit_ms) then return 'held' end
  if redis.call('HEXISTS', PAYLOAD, batch) == 0 then return 'lost' end
end
local most = tonumber(redis.call('HGET', RECORD, 'result_bytes') or '')
if most and #result > most then return 'large' end
-- XADD first: if memory is full, it fails before anything has changed.
redis.call('XADD', RESULTS, '*', 'b', batch, 'r', result)
redis.call('SETBIT', DONE, batch, 1)
for _, key in ipairs({PAYLOAD, OWNER, DEATHS, CAREFUL, CRASHED}) do
  redis.call('HDEL', key, batch)
end
forgive(me)
expire_with_job(RESULTS)
expire_with_job(DONE)
return 'first'
