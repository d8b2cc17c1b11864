-- CANCEL: close a request without an outcome. Its trainer learns of it with its next renewal.
-- ARGV: id, ttl_ms
local found = read(STATE)
if not found then return 0 end
if found.status == 'cancelled' then return 1 end
if found.status ~= 'open' then return 0 end
close('cancelled', '', ARGV[2])
return 1
