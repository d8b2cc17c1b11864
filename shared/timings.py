"""Every interval, time limit and idle time that the environment can set. They are settings for the
tests; users keep the defaults."""

from __future__ import annotations

import msgspec

#: A claim outlives the time limit of its work by this.
CLAIM_SLACK_S = 30.0


class Timings(msgspec.Struct, frozen=True):
    """The times of shared/settings.py, in seconds."""

    #: Interval of a worker's heartbeats (worker/lifecycle/heartbeat_thread.py).
    heartbeat_s: float = 5.0
    #: A worker without a heartbeat for this long is dead.
    heartbeat_ttl_s: float = 15.0
    #: A hint is sent again for a batch that was not claimed for this long
    #: (producer/dispatch/reconciler.py).
    orphan_s: float = 10.0
    #: A child that works longer than this on one batch is killed (a hung decoder).
    batch_limit_s: float = 120.0
    #: The same for one image of a batch that is classified carefully.
    careful_limit_s: float = 20.0
    #: An idle worker that receives no hint for this long although hints wait restarts itself.
    watchdog_s: float = 60.0
    #: A worker that had access and is refused later (a new password, other rights) retries for
    #: this long before it ends. One that is refused at its start ends at once.
    refused_s: float = 60.0
    #: A health check reports a worker as stuck after this long without a beat of its pulse. One
    #: beat takes up to 45 s while Redis is unreachable.
    health_limit_s: float = 120.0
    #: A worker evicts a model version that no batch has used for this long, except the last one.
    model_unused_s: float = 60.0
    #: Keys of a job outlive the producer's last heartbeat by this long.
    job_ttl_s: float = 86_400.0
    #: Interval at which a trainer polls for waiting requests: a hint may be lost, or its trainer
    #: dead.
    round_s: float = 5.0
    #: This machine's stack ends after this long without jobs or clients.
    stack_idle_s: float = 60.0
    #: The stack's trainer ends after this long without a request.
    trainer_idle_s: float = 20.0

    @property
    def claim_limit_s(self) -> float:
        """How long a claim may be held without a renewal."""
        return max(self.batch_limit_s, self.careful_limit_s) + CLAIM_SLACK_S
