"""Every guard of the ledger and of its producer, and how to take it out.

A history that goes on without one of them must come to a bad end: else nothing needs the guard,
or the histories are too tame.
"""

from __future__ import annotations

from producer.channel import Channel
from producer.reconcile import Reconciler
from producer.run import Run

#: Those that the quick runs try: found soon, and of every kind. The full runs try all.
QUICK = {
    "claim: the batch is not done",
    "claim: nobody else holds it",
    "claim: a dead holder does not count",
    "complete: the job is there",
    "complete: the first result wins",
    "release: the claim is one's own",
    "bury: it is that of the dead",
    "careful: the claim is one's own",
    "survey: only dead owners lose",
    "alive: no claim outlives its limit",
    "alive: a parent has a heartbeat",
    "alive: a listed child lives",
    "run: a result is trimmed when it is committed",
    "reconciler: what Redis lost is offered again",
}
#: What the guard is for -> the script, the text to take out, what stands there instead.
IN_LUA = {
    "claim: the job is there": ("claim", "if not record then return {'unknown'} end", ""),
    "claim: it is not cancelled": (
        "claim",
        "if state == 'cancelled' then return {'cancelled'} end",
        "",
    ),
    "claim: the batch is not done": (
        "claim",
        "if redis.call('GETBIT', DONE, batch) == 1 then return {'done'} end",
        "",
    ),
    "claim: nobody else holds it": (
        "claim",
        "if owner and owner ~= me and alive(owner, at, limit_ms) then return {'held'} end",
        "",
    ),
    "claim: its holder may ask again": ("claim", "owner ~= me and ", ""),
    "claim: a dead holder does not count": ("claim", " and alive(owner, at, limit_ms)", ""),
    "claim: the images are there": ("claim", "if not payload then return {'lost'} end", ""),
    "claim: no image is in hand yet": ("claim", "redis.call('HDEL', CAREFUL, batch)", ""),
    "claim: the key dies with the job": ("claim", "expire_with_job(OWNER)", ""),
    "complete: the job is there": (
        "complete",
        "if redis.call('EXISTS', RECORD) == 0 then return 'unknown' end",
        "",
    ),
    "complete: the first result wins": (
        "complete",
        "if redis.call('GETBIT', DONE, batch) == 1 then return 'done' end",
        "",
    ),
    "complete: the batch is done": ("complete", "redis.call('SETBIT', DONE, batch, 1)", ""),
    "complete: the images are freed": ("complete", "{PAYLOAD, ", "{"),
    "complete: the claim is freed": ("complete", "OWNER, ", ""),
    "complete: the deaths are forgotten": ("complete", "DEATHS, ", ""),
    "complete: no image is in hand": ("complete", "CAREFUL, ", ""),
    "complete: the convictions are forgotten": ("complete", ", CRASHED}", "}"),
    "complete: the results die with the job": ("complete", "expire_with_job(RESULTS)", ""),
    "complete: the bits die with the job": ("complete", "expire_with_job(DONE)", ""),
    "release: the claim is one's own": (
        "release",
        "if claim_of(ARGV[1]) ~= ARGV[2] then return 0 end",
        "",
    ),
    "release: the job is there": ("release", "if redis.call('EXISTS', RECORD) == 1 then", "do"),
    "bury: the job is there": (
        "bury",
        "if redis.call('EXISTS', RECORD) == 0 then return 0 end",
        "",
    ),
    "bury: there is a claim": ("bury", "not owner or", "owner and"),
    "bury: it is that of the dead": ("bury", " or string.sub(owner, 1, #child) ~= child", ""),
    "bury: the claim is freed": ("bury", "redis.call('HDEL', OWNER, batch)", ""),
    "bury: a death convicts once": ("bury", "redis.call('HDEL', CAREFUL, batch)", ""),
    "bury: the deaths die with the job": ("bury", "expire_with_job(DEATHS)", ""),
    "bury: the convictions die with the job": ("bury", "expire_with_job(CRASHED)", ""),
    "careful: the job is there": (
        "careful",
        "if redis.call('EXISTS', RECORD) == 0 then return 0 end",
        "",
    ),
    "careful: the claim is one's own": (
        "careful",
        "if claim_of(batch) ~= me then return 0 end",
        "",
    ),
    "careful: the claim is renewed": (
        "careful",
        "redis.call('HSET', OWNER, batch, me .. '|' .. now_ms())",
        "",
    ),
    "careful: the key dies with the job": ("careful", "expire_with_job(CAREFUL)", ""),
    "cancel: the job is there": (
        "cancel",
        "if redis.call('EXISTS', RECORD) == 0 then return 0 end",
        "",
    ),
    "cancel: the images are freed": ("cancel", "redis.call('DEL', PAYLOAD)", ""),
    "survey: only dead owners lose": ("survey", " and not alive(owner, at, limit_ms)", ""),
    "survey: dead owners do lose": ("survey", "redis.call('HDEL', OWNER, batch)", ""),
    "survey: a batch without images is lost": (
        "survey",
        "HEXISTS', PAYLOAD, batch) == 0",
        "HEXISTS', PAYLOAD, batch) == 2",
    ),
    "survey: a batch may be done": (
        "survey",
        "GETBIT', DONE, batch) == 1",
        "GETBIT', DONE, batch) == 2",
    ),
    "alive: no claim outlives its limit": ("prelude", "math.abs(now - at) > limit_ms", "false"),
    "alive: a parent has a heartbeat": (
        "prelude",
        "if type(beat) ~= 'string' then return false end",
        "if type(beat) ~= 'string' then return true end",
    ),
    "alive: a newer claim need not be listed": (
        "prelude",
        "if heartbeat.at_ms <= at then return true end",
        "",
    ),
    "alive: an older one must be": ("prelude", "heartbeat.at_ms <= at", "true"),
    "alive: a listed child lives": ("prelude", "if listed == child then return true end", ""),
}
#: The same in Python: a method, and the text within it.
IN_PRODUCER: dict[str, tuple[type, str, str, str]] = {
    "run: a result is trimmed when it is committed": (
        Run,
        "_exchange",
        "if good or batches:",
        "self._channel.trim(results)\n    if good or batches:",
    ),
    "run: what is frozen is under way": (
        Run,
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
        "_mend_one",
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
        Channel,
        "touch",
        'pipe.hsetnx(record, "state", "running")',
        'pipe.hset(record, "state", "running")',
    ),
    "channel: the keys die with the job": (
        Channel,
        "touch",
        "pipe.pexpire(key, self._ttl_ms)",
        "pass",
    ),
}
