-- CANCEL: waiting work of this job becomes a no-op, also while no worker is alive.
if redis.call('EXISTS', RECORD) == 0 then return 0 end
redis.call('HSET', RECORD, 'state', 'cancelled')
redis.call('DEL', PAYLOAD)
return 1
