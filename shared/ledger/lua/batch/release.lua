-- RELEASE: an owner that cannot finish releases its batch; this does not count as a death.
-- ARGV: batch, owner, why (displayed by the producer), 1 if its images are damaged
if claim_of(ARGV[1]) ~= ARGV[2] then return 0 end
redis.call('HDEL', OWNER, ARGV[1])
-- Without images the batch is lost, and the producer sends them again.
if ARGV[4] == '1' then redis.call('HDEL', PAYLOAD, ARGV[1]) end
if redis.call('EXISTS', RECORD) == 1 then
  redis.call('HSET', TROUBLE, 'why', ARGV[3])
  expire_with_job(TROUBLE)
end
return 1
