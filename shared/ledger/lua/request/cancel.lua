-- CANCEL: nobody is to work on this any more. Whoever does learns it when it renews.
-- ARGV: id, ttl_ms
local found = read(STATE)
if not found then return 0 end
if found.status == 'cancelled' then return 1 end
if found.status ~= 'open' then return 0 end
close('cancelled', '', ARGV[2])
return 1
