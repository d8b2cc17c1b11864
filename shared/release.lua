-- RELEASE: an owner that cannot finish gives its batch back; nobody died, nobody is convicted.
-- ARGV: batch, owner, why (shown by the producer)
if claim_of(ARGV[1]) ~= ARGV[2] then return 0 end
redis.call('HDEL', OWNER, ARGV[1])
if redis.call('EXISTS', RECORD) == 1 then redis.call('HSET', RECORD, 'trouble', ARGV[3]) end
return 1
