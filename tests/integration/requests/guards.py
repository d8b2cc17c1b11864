"""Mutants of the ledger of requests that need a word; all are found by reading the Lua."""

from __future__ import annotations

#: Those that the quick runs try: noticed soon, and of every kind.
QUICK = {
    "request_submit: known -> false",
    "request_claim: live(found) and found.owner ~= me -> false",
    "request_claim: attempts >= most -> false",
    "request_claim: math.max(fence, floor) + 1 -> math.max(fence, floor)",
    "request_renew: not found or not holds(found, ARGV[2]) -> not found",
    "request_release: found.attempts - 1 -> found.attempts",
    "request_finish: found.status ~= 'open' -> false",
    "request_cancel: found.status ~= 'open' -> false",
    "request_survey: ours and found and found.status == 'open' -> ours and found",
}
#: Mutants that change nothing that anyone can see, and why.
EQUIVALENT = {
    "request_finish: found.status == 'done' and redis.call('HGET', STATE, 'outcome') == outcome "
    "-> redis.call('HGET', STATE, 'outcome') == outcome": "only FINISH gives such an outcome",
    "request_survey: ours and found -> found": "the text of an error has no status, either",
    "request_prelude: not status and redis.call('EXISTS', key) == 0 "
    "-> redis.call('EXISTS', key) == 0": "a key with a status exists",
    "request_prelude: #text > 15 -> #text >= 15": "no count has 15 digits: of ms, 31,000 years",
    "request_prelude: request.until_ms > now_ms() -> request.until_ms >= now_ms()": (
        "it differs in one millisecond, in which either answer is right"
    ),
}
