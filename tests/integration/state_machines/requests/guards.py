"""Mutants of the request ledger that need a remark; the list of all is derived from the Lua."""

from __future__ import annotations

#: Tried by quick runs: a sample that is noticed early.
QUICK = {
    "request/claim: live(found) and found.owner ~= me -> false",
    "request/claim: attempts > most -> false",
    "request/renew: reached > found.reached -> true",
    "request/renew: not found or not holds(found, ARGV[2]) -> not found",
    "request/finish: found.status ~= 'open' -> false",
}
#: Mutants without an observable effect, and the reason.
EQUIVALENT = {
    "request/finish: found.status == 'done' and redis.call('HGET', STATE, 'outcome') == outcome "
    "-> redis.call('HGET', STATE, 'outcome') == outcome": "only FINISH writes such an outcome",
    "request/survey: ours and found -> found": "the text of an error has no status",
    "request/prelude: not status and redis.call('EXISTS', key) == 0 "
    "-> redis.call('EXISTS', key) == 0": "a key with a status exists",
    "request/prelude: #text > 15 -> #text >= 15": "no count has 15 digits: in ms, 31,000 years",
    "request/prelude: request.until_ms > now_ms() -> request.until_ms >= now_ms()": (
        "it differs in one millisecond, where both results are right"
    ),
}
