-- COMPLETE: the first result of a batch wins; the done bit survives the trimming of the stream.
-- ARGV: batch, result
local batch, result = ARGV[1], ARGV[2]
if redis.call('EXISTS', RECORD) == 0 then return 'unknown' end
if redis.call('GETBIT', DONE, batch) == 1 then return 'done' end
-- XADD first: under full memory it is refused before anything has changed.
redis.call('XADD', RESULTS, '*', 'b', batch, 'r', result)
redis.call('SETBIT', DONE, batch, 1)
for _, key in ipairs({PAYLOAD, OWNER, DEATHS, CAREFUL, CRASHED}) do
  redis.call('HDEL', key, batch)
end
expire_with_job(RESULTS)
expire_with_job(DONE)
return 'first'
