"""Guards of the ledger's producer, and how to take each out; those of the Lua are found by reading.

Some history breaks a promise without one of them: else nothing needs the guard, or the histories
do not reach it.
"""

from __future__ import annotations

from producer.dispatch.job_queue import JobQueue
from producer.dispatch.loop import DispatchLoop
from producer.dispatch.reconciler import Reconciler

#: What the guard is for -> a method, the text within it to take out, what stands there instead.
IN_PRODUCER: dict[str, tuple[type, str, str, str]] = {
    "run: a result is trimmed when it is committed": (
        DispatchLoop,
        "_exchange",
        "if good or batches:",
        "self._channel.trim(results)\n    if good or batches:",
    ),
    "run: what is frozen is under way": (
        DispatchLoop,
        "_exchange",
        "for batch in batches:\n        self._reconciler.offered(batch.frozen.n)\n"
        "        if batch.refers:\n            self._transport.sent(batch.frozen.n)\n"
        "    with self._waits.waiting():\n        self._channel.trim(results)",
        "with self._waits.waiting():\n        self._channel.trim(results)\n"
        "    for batch in batches:\n        self._reconciler.offered(batch.frozen.n)\n"
        "    with self._waits.waiting():\n        pass",
    ),
    "reconciler: what is done without a result is done again": (
        Reconciler,
        "_done_without_result",
        "self._channel.forget(n)",
        "pass",
    ),
    "reconciler: what Redis lost is offered again": (
        Reconciler,
        "_repair_one",
        "self._offer_again(n)",
        "pass",
    ),
    "reconciler: what nobody takes is hinted again": (
        Reconciler,
        "_hint_orphans",
        "self._hint(n)",
        "pass",
    ),
    "channel: a sign of life undoes no cancelling": (
        JobQueue,
        "touch",
        'pipe.hsetnx(record, "state", "running")',
        'pipe.hset(record, "state", "running")',
    ),
    "channel: the keys die with the job": (
        JobQueue,
        "touch",
        "pipe.pexpire(key, self._ttl_ms)",
        "pass",
    ),
}
#: Those that the quick runs try, of the producer and of the scripts: noticed soon, of every kind.
QUICK = {
    "run: a result is trimmed when it is committed",
    "reconciler: what Redis lost is offered again",
    "batch/claim: redis.call('GETBIT', DONE, batch) == 1 -> false",
    "batch/claim: owner and owner ~= me and alive(owner, at, limit_ms) -> false",
    "batch/claim: owner and owner ~= me and alive(owner, at, limit_ms) -> owner and owner ~= me",
    "batch/complete: redis.call('GETBIT', DONE, batch) == 1 -> false",
    "batch/complete: owner and alive(owner, at, limit_ms) -> false",
    "batch/release: claim_of(ARGV[1]) ~= ARGV[2] -> false",
    "batch/survey: owner and not alive(owner, at, limit_ms) -> owner",
    "batch/prelude: listed == child -> false",
}
#: Mutants that change nothing that anyone can see, and why.
_MS = "it differs in one millisecond, in which either answer is right"
_TTL = "a job's record always has a time to live: both are written in one transaction"
_NO_TABLE = "what cannot be decoded is the text of an error, and no table either"
EQUIVALENT = {
    "batch/prelude: left > 0 -> true": _TTL,
    "batch/prelude: left > 0 -> left >= 0": _TTL,
    "batch/prelude: math.abs(now - at) > limit_ms -> math.abs(now - at) >= limit_ms": _MS,
    "batch/prelude: heartbeat.at_ms > now + FUTURE_MS -> heartbeat.at_ms >= now + FUTURE_MS": _MS,
    "batch/prelude: heartbeat.at_ms <= at -> heartbeat.at_ms < at": _MS,
    "batch/prelude: not readable or type(heartbeat) ~= 'table' "
    "-> type(heartbeat) ~= 'table'": _NO_TABLE,
    "batch/report_death: not readable or type(counts) ~= 'table' "
    "-> type(counts) ~= 'table'": _NO_TABLE,
    "batch/report_death: redis.call('HGET', CRASHED, batch) or '{}' "
    "-> redis.call('HGET', CRASHED, batch)": (
        "false, which stands for no field, cannot be decoded, and counts as '{}' then"
    ),
    "batch/complete: redis.call('HGET', RECORD, 'result_bytes') or '' "
    "-> redis.call('HGET', RECORD, 'result_bytes')": "tonumber(false) is nil, as tonumber('') is",
    "batch/complete: #result > most -> #result >= most": "no result is as large as the limit",
}
