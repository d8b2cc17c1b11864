-- SURVEY: which requests are open, oldest first, and which of them nobody works on?
-- A request that is gone or has ended leaves the list. What is not ours stays there and is not
-- answered: another version may have written it, and it must not hide the others.
-- ARGV: before and after the id in the key of a request's state
-- Answers {id, '1' if it waits or '0'...}
local before, after = ARGV[1], ARGV[2]
local answer = {}
for _, id in ipairs(redis.call('ZRANGE', OPEN, 0, -1)) do
  local ours, found = pcall(read, before .. id .. after)
  if ours and not (found and found.status == 'open') then
    redis.call('ZREM', OPEN, id)
  elseif ours then
    answer[#answer + 1] = id
    answer[#answer + 1] = live(found) and '0' or '1'
  end
end
return answer
