"""Mutants of the ledger of requests that need a word; all are found by reading the Lua."""

from __future__ import annotations

#: Those that the quick runs try: noticed soon, and of every kind.
QUICK = {
    "request/submit: known -> false",
    "request/claim: live(found) and found.owner ~= me -> false",
    "request/claim: attempts >= most -> false",
    "request/claim: math.max(fence, floor) + 1 -> math.max(fence, floor)",
    "request/renew: not found or not holds(found, ARGV[2]) -> not found",
    "request/release: found.attempts - 1 -> found.attempts",
    "request/finish: found.status ~= 'open' -> false",
    "request/cancel: found.status ~= 'open' -> false",
    "request/survey: ours and found and found.status == 'open' -> ours and found",
}
#: Mutants that change nothing that anyone can see, and why.
EQUIVALENT = {
    "request/finish: found.status == 'done' and redis.call('HGET', STATE, 'outcome') == outcome "
    "-> redis.call('HGET', STATE, 'outcome') == outcome": "only FINISH gives such an outcome",
    "request/survey: ours and found -> found": "the text of an error has no status, either",
    "request/prelude: not status and redis.call('EXISTS', key) == 0 "
    "-> redis.call('EXISTS', key) == 0": "a key with a status exists",
    "request/prelude: #text > 15 -> #text >= 15": "no count has 15 digits: of ms, 31,000 years",
    "request/prelude: request.until_ms > now_ms() -> request.until_ms >= now_ms()": (
        "it differs in one millisecond, in which either answer is right"
    ),
}
