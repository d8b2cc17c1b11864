-- SURVEY: the open requests, the oldest first, and which of them wait for a trainer.
-- Requests that are gone or closed are removed from the list. Invalid ones stay in it and are
-- skipped: they must not hide the others.
-- ARGV: '', the parts of the key of a request's state before and after its id
-- Returns {id, 1 if it waits, otherwise 0...}
local before, after = ARGV[2], ARGV[3]
local answer = {}
for _, id in ipairs(redis.call('ZRANGE', OPEN, 0, -1)) do
  local ours, found = pcall(read, before .. id .. after)
  if ours and found and found.status == 'open' then
    answer[#answer + 1] = id
    answer[#answer + 1] = live(found) and 0 or 1
  elseif ours then
    redis.call('ZREM', OPEN, id)
  end
end
return answer
