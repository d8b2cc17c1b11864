-- SURVEY: which requests are open, oldest first, and which of them nobody works on?
-- One that is gone or has ended leaves the list. What is not ours stays in it and is not
-- answered: another version may have written it, and it must not hide the others.
-- ARGV: '', what stands before and after the id in the key of a request's state
-- Answers {id, 1 if it waits or else 0...}
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
