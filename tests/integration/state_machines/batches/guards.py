"""Guards of the producer and how to remove each; the list for Lua is derived from the scripts.

Without any of them some history breaks a promise. If none does, the guard is not needed or the
histories do not reach it.
"""

from __future__ import annotations

from producer.run.job_queue import JobQueue
from producer.run.loop import DispatchLoop
from producer.run.reconciler import Reconciler

#: The purpose of the guard -> class, method, the text to remove, its replacement.
IN_PRODUCER: dict[str, tuple[type, str, str, str]] = {
    "run: a result is trimmed when it is committed": (
        DispatchLoop,
        "_exchange",
        "if good or batches:",
        "self._queue.trim(results)\n    if good or batches:",
    ),
    "run: a frozen batch is recorded as offered": (
        DispatchLoop,
        "_exchange",
        "for batch in batches:\n        self._reconciler.offered(batch.frozen.n)\n"
        "        if batch.refers:\n            self._transport.sent(batch.frozen.n)\n"
        "    self._queue.trim(results)",
        "self._queue.trim(results)\n"
        "    for batch in batches:\n        self._reconciler.offered(batch.frozen.n)\n"
        "        if batch.refers:\n            self._transport.sent(batch.frozen.n)",
    ),
    "reconciler: a batch done without a result is repeated": (
        Reconciler,
        "_done_without_result",
        "self._queue.reopen(n)",
        "pass",
    ),
    "reconciler: a batch that Redis lost is offered again": (
        Reconciler,
        "_repair_batch",
        "self._offer_again(n)",
        "pass",
    ),
    "reconciler: a batch that no worker claims is hinted again": (
        Reconciler,
        "_hint_orphans",
        "self._hint(n)",
        "pass",
    ),
    "queue: touch does not undo a cancellation": (
        JobQueue,
        "touch",
        'pipe.hsetnx(record, "state", "running")',
        'pipe.hset(record, "state", "running")',
    ),
    "queue: the keys expire with the job": (
        JobQueue,
        "touch",
        "pipe.pexpire(key, self._ttl_ms)",
        "pass",
    ),
}
#: Tried by quick runs: a sample, of producer and scripts, that is noticed early.
QUICK = {
    "run: a result is trimmed when it is committed",
    "batch/claim: redis.call('GETBIT', DONE, batch) == 1 -> false",
    "batch/claim: owner and owner ~= me and alive(owner, at, limit_ms) -> false",
    "batch/prelude: listed == child -> false",
}
#: Mutants without an observable effect, and the reason.
_MS = "it differs in one millisecond, where both results are right"
_TTL = "a job's record always has a time to live: both are written in one transaction"
_NO_TABLE = "text that cannot be decoded yields an error message, which is no table"
EQUIVALENT = {
    "batch/prelude: left > 0 -> true": _TTL,
    "batch/prelude: left > 0 -> left >= 0": _TTL,
    "batch/prelude: math.abs(now - at) > limit_ms -> math.abs(now - at) >= limit_ms": _MS,
    "batch/prelude: heartbeat.at_ms > now + FUTURE_MS -> heartbeat.at_ms >= now + FUTURE_MS": _MS,
    "batch/prelude: heartbeat.at_ms <= at -> heartbeat.at_ms < at": _MS,
    "batch/prelude: heartbeat.at_ms > at + IDLE_MS -> heartbeat.at_ms >= at + IDLE_MS": _MS,
    "batch/prelude: not readable or type(heartbeat) ~= 'table' "
    "-> type(heartbeat) ~= 'table'": _NO_TABLE,
    "batch/prelude: not readable or type(counts) ~= 'table' -> type(counts) ~= 'table'": _NO_TABLE,
    "batch/prelude: redis.call('HGET', CRASHED, blamed) or '{}' "
    "-> redis.call('HGET', CRASHED, blamed)": (
        "false, which stands for no field, cannot be decoded and then counts as '{}'"
    ),
    "batch/complete: redis.call('HGET', RECORD, 'result_bytes') or '' "
    "-> redis.call('HGET', RECORD, 'result_bytes')": "tonumber(false) is nil, as tonumber('') is",
    "batch/complete: #result > most -> #result >= most": "no result is as large as the limit",
}
