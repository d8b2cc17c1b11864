"""Every guard of the ledger of requests, and how to take it out.

A history that goes on without one of them must come to a bad end: else nothing needs the guard,
or the histories are too tame.
"""

from __future__ import annotations

#: Those that the quick runs try, of every kind. The full runs try all.
QUICK = {
    "submit: it is new",
    "claim: nobody else holds it",
    "claim: the third death is the last",
    "claim: the fence rises",
    "renew: the fence is the last",
    "release: the attempt does not count",
    "finish: the first outcome wins",
    "cancel: it has not ended",
    "live: a lease runs out",
    "survey: what has ended leaves the list",
}
_ENDED = "if found.status ~= 'open' then return 0 end"
#: What the guard is for -> the script, the text to take out, what stands there instead.
IN_LUA = {
    "submit: it is new": ("submit", "if known then return known end", ""),
    "submit: nothing of an earlier life": ("submit", "redis.call('DEL', FILES, INPUT)", ""),
    "submit: the input travels": (
        "submit",
        "if ARGV[3] then redis.call('SET', INPUT, ARGV[3]) end",
        "",
    ),
    "submit: the list has it": ("submit", "redis.call('ZADD'", "tostring('ZADD'"),
    "submit: the oldest is first": ("submit", "time[1] + time[2] / 1000000", "-time[2]"),
    "claim: there is such a request": ("claim", "if not found then return {'unknown'} end", ""),
    "claim: it has not ended": (
        "claim",
        "if found.status ~= 'open' then return {found.status} end",
        "",
    ),
    "claim: nobody else holds it": (
        "claim",
        "if live(found) and found.owner ~= me then return {'held'} end",
        "",
    ),
    "claim: its holder may ask again": ("claim", " and found.owner ~= me", ""),
    "claim: one that fell silent is no holder": (
        "claim",
        "live(found) and found.owner",
        "found.owner",
    ),
    "claim: asking again is no attempt": ("claim", "if not again then", "do"),
    "claim: the same again needs a live lease": ("claim", "live(found) and fence", "fence"),
    "claim: the same again needs a fence that is new to the store": (
        "claim",
        " and fence > floor",
        "",
    ),
    "claim: the third death is the last": ("claim", "attempts >= most", "false"),
    "claim: three are tried": ("claim", "attempts >= most", "attempts >= most - 1"),
    "claim: the used up have ended": ("claim", "close('exhausted', outcome, ttl_ms)", ""),
    "claim: the fence rises": ("claim", "math.max(fence, floor) + 1", "math.max(fence, floor)"),
    "claim: above what Redis knows": ("claim", "math.max(fence, floor)", "floor"),
    "claim: above what the store knows": ("claim", "math.max(fence, floor)", "fence"),
    "claim: attempts count": ("claim", "attempts + 1", "attempts"),
    "claim: a lease begins": ("claim", "now_ms() + lease_ms", "0"),
    "renew: there is such a request": ("renew", "not found or ", ""),
    "renew: the fence is the last": ("renew", " or not holds(found, ARGV[2])", ""),
    "renew: whoever has it learns of the cancelling": (
        "renew",
        "if found.status == 'cancelled' then return 'cancelled' end",
        "",
    ),
    "renew: it has not ended": ("renew", "if found.status ~= 'open' then return 'lost' end", ""),
    "renew: the lease goes on": ("renew", "'until_ms', now_ms() + count(ARGV[3]), ", ""),
    "release: there is such a request": ("release", "not found or ", ""),
    "release: it has not ended": ("release", " or found.status ~= 'open'", ""),
    "release: the fence is the last": ("release", "found.fence ~= count(ARGV[2]) or ", ""),
    "release: somebody had it": ("release", " or found.fence == 0", ""),
    "release: twice is once": ("release", "if found.owner == '' then return 1 end", ""),
    "release: nobody has it": ("release", "'owner', '', ", ""),
    "release: the attempt does not count": ("release", "found.attempts - 1", "found.attempts"),
    "finish: there is such a request": ("finish", "not found or ", ""),
    "finish: the fence is the last": ("finish", " or not holds(found, ARGV[2])", ""),
    "finish: the same again is no other": (
        "finish",
        "redis.call('HGET', STATE, 'outcome') == outcome",
        "false",
    ),
    "finish: another outcome is not the same again": (
        "finish",
        " and redis.call('HGET', STATE, 'outcome') == outcome",
        "",
    ),
    "finish: the first outcome wins": ("finish", _ENDED, ""),
    "finish: the pictures stay": ("finish", "if ARGV[5] then", "if false then"),
    "finish: there may be no pictures": ("finish", "if ARGV[5] then", "do"),
    "cancel: there is such a request": ("cancel", "if not found then return 0 end", ""),
    "cancel: twice is once": ("cancel", "if found.status == 'cancelled' then return 1 end", ""),
    "cancel: it has not ended": ("cancel", _ENDED, ""),
    "holds: what was given back is held no more": (
        "prelude",
        "request.owner ~= '' and request.f",
        "request.f",
    ),
    "holds: the fence is the last": ("prelude", " and request.fence == count(fence)", ""),
    "live: a lease runs out": ("prelude", " and request.until_ms > now_ms()", ""),
    "close: progress goes": ("prelude", "redis.call('HDEL', STATE, 'progress')", ""),
    "close: the input goes": ("prelude", "redis.call('DEL', INPUT)", ""),
    "close: the list forgets it": ("prelude", "redis.call('ZREM', OPEN, ID)", ""),
    "close: the outcome expires": ("prelude", "redis.call('PEXPIRE', STATE, ttl_ms)", ""),
    "close: the pictures expire": ("prelude", "redis.call('PEXPIRE', FILES, ttl_ms)", ""),
    "look: there is such a request": ("look", "if not found then return nil end", ""),
    "look: the used up are done": ("look", "if state == 'exhausted' then state = 'done' end", ""),
    "look: one that fell silent does not run": ("look", " and live(found)", ""),
    "survey: what is gone leaves the list": ("survey", "redis.call('ZREM', OPEN, id)", ""),
    "survey: what has ended leaves the list": ("survey", " and found.status == 'open'", ""),
    "survey: what is gone is not open": ("survey", "ours and found and", "ours and"),
    "survey: who works is not waited for": ("survey", "live(found) and 0 or 1", "1"),
}
