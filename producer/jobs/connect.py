"""Opening a job's side of Redis, until it takes us in.

A server that has never answered may not be there at all, or be misspelt: that is an error at once.
One that answers that it is loading its files, or full, is waited for, whatever it does then.
"""

from __future__ import annotations

import time

import redis
from redis.exceptions import BusyLoadingError, RedisError

from producer.dispatch.attempt import Attempt, OpenJob
from producer.dispatch.interrupts import InterruptibleWaits, WaitInterrupted, alarm, interrupts
from producer.dispatch.job_queue import JobQueue, delete_job
from producer.dispatch.window import file_limit
from producer.jobs.job import Job
from producer.output.outage import PAUSE_S, Outage, write_refusal
from producer.output.text import mib
from shared.broker.address import Address
from shared.broker.celery_app import make_app
from shared.broker.location import broker_url
from shared.broker.redis_client import GLANCE_TIMEOUT_S, check_server, connect
from shared.errors import BrokerAway, SetupError, StillOpen


class Connector:
    """Connects a job within the deadline of an attempt."""

    def __init__(self, attempt: Attempt, job: Job) -> None:
        self._settings, self._report, self._use, _, self._deadline = attempt
        self._job = job
        self._outage, self._waits = Outage(attempt.report.notice), InterruptibleWaits()
        self._met = False  #: whether the server has ever answered that it is not ready
        self._interrupted = False

    def job(self) -> OpenJob:
        """The job, which has begun, with its channel.

        Raises:
            SetupError: there is no server, it is set up wrongly, or there is no such model.
            StillOpen: the time is over.
            KeyboardInterrupt: a signal came first.
        """
        self._use.ensure()
        broker = broker_url(self._settings)
        client = connect(broker, "producer")
        # A server that sleeps is given a moment, however short the time limit is.
        patience_s = max(self._deadline - time.monotonic(), GLANCE_TIMEOUT_S)
        try:
            with interrupts(self._interrupt), alarm(patience_s, self._waits.cut):
                while (found := self._try(client, broker)) is None:
                    self._pause()
                return OpenJob(self._job.pinned, self._job.journal, found)
        except WaitInterrupted:
            if self._interrupted:
                raise KeyboardInterrupt from None
            raise StillOpen(
                f"Redis {'was not ready' if self._met else 'did not answer'} within --timeout; "
                "the same command tries again"
            ) from None

    def _interrupt(self) -> None:
        self._interrupted = True
        self._waits.cut()

    def _try(self, client: redis.Redis, broker: Address) -> JobQueue | None:
        """None: it is there, and not ready."""
        try:
            with self._waits.waiting():
                channel = self._open(client, broker)
        except RedisError as error:
            self._not_yet(error, broker)
            return None
        self._outage.over()
        return channel

    def _open(self, client: redis.Redis, broker: Address) -> JobQueue:
        check_server(client)
        if not self._job.begun:
            for old in self._job.replaced:
                delete_job(client, old)
            self._job.begin(client)
        self._compare_limits(file_limit(client))
        app = make_app(broker, "producer")
        channel = JobQueue(client, app, self._job.record, self._settings)
        channel.resume()
        return channel

    def _compare_limits(self, here: int) -> None:
        begun = self._job.options.max_file_bytes
        if here < begun:
            self._report.notice(
                f"this Redis takes files up to {mib(here)} (maxmemory), and the job began with "
                f"{mib(begun)}; a larger file may wait until maxmemory is raised"
            )

    def _not_yet(self, error: RedisError, broker: Address) -> None:
        why = write_refusal(error)
        self._met = self._met or bool(why) or isinstance(error, BusyLoadingError) or _cut(error)
        if not self._met:
            raise BrokerAway(
                f"Redis at {broker} does not answer ({error}); "
                "start it, or unset HANGTAG_REDIS_URL to use this machine's stack"
            ) from error
        if why:
            self._outage.over()
            self._report.notice(f"{why}; waiting until there is room")
        else:
            self._outage.report(error)

    def _pause(self) -> None:
        if time.monotonic() > self._deadline:
            raise WaitInterrupted
        with self._waits.waiting():
            time.sleep(PAUSE_S)
            if self._use.over:
                raise SetupError(
                    "this machine's stack was ended with hangtag down; "
                    "the same command starts it again"
                )
            self._use.revive()  # this machine's may have ended meanwhile


def _cut(error: BaseException | None) -> bool:
    """Whether the server accepted the connection and closed it: it has no room for another, and its
    reason may be lost with the connection."""
    while error is not None:
        if isinstance(error, BrokenPipeError | ConnectionResetError):
            return True
        error = error.__cause__ or error.__context__
    return False
