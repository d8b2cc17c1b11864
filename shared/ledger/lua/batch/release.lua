-- RELEASE: an owner that cannot finish gives its batch back; nobody died, nobody is convicted.
-- ARGV: batch, owner, why (shown by the producer), 1 if its images are damaged
if claim_of(ARGV[1]) ~= ARGV[2] then return 0 end
redis.call('HDEL', OWNER, ARGV[1])
-- Without them the batch is lost, and the producer puts them here again.
if ARGV[4] == '1' then redis.call('HDEL', PAYLOAD, ARGV[1]) end
if redis.call('EXISTS', RECORD) == 1 then
  redis.call('HSET', TROUBLE, 'why', ARGV[3])
  expire_with_job(TROUBLE)
end
return 1
