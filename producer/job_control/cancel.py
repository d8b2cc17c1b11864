"""`hangtag cancel`: stop a job. Its results stay in the journal; classify resumes it."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

import msgspec
from redis.exceptions import RedisError

from producer.job.find_job import NoSuchJob, find_output, whole_id
from producer.job.snapshot import (
    JobState,
    JobView,
    is_formed,
    is_running,
    not_started,
    read_snapshot,
    stored_options,
)
from producer.job_control.status import remote_ids
from producer.present.formatting import counted
from producer.run.job import Job
from shared.broker.address import redacted
from shared.broker.redis_client import connect_briefly
from shared.broker.runtime_paths import broker_url, socket_path
from shared.errors import BrokerAway, Exit, SetupError, UsageError
from shared.ledger.batch_ledger import BatchLedger
from shared.messages.batch import JOB_ID
from shared.settings import Settings

#: If Redis has lost the job, the producer restores it within about a second.
UNKNOWN_S = 5.0
#: A producer notices within about a second that its job is cancelled, unless it is suspended.
ENDS_WITHIN_S = 10.0
_RETRY_S = 0.2


class Cancelled(msgspec.Struct, frozen=True):
    """A job that was cancelled. The numbers of its images are unknown of another machine's."""

    job: str
    ended: bool  #: whether its producer has ended, as far as is known here
    done: int | None = None
    images: int | None = None


def line(cancelled: Cancelled) -> str:
    """What was cancelled."""
    text = f"job {cancelled.job} is cancelled"
    if cancelled.images is not None:
        text += f"; {cancelled.done:,} of {counted(cancelled.images, 'image')} are done"
    return text if cancelled.ended else f"{text}; its producer has not ended yet"


def cancel(job: str, settings: Settings) -> Cancelled:
    """Cancel a job by its id or output.

    Raises:
        UsageError: there is no such job, or it is finished.
        BrokerAway: the job runs, and the Redis that may know it is unreachable.
        SetupError: the job runs, and no Redis knows it.
    """
    output = _output(job)
    view = read_snapshot(output) if output is not None else None
    if output is None or view is None:
        return _cancel_elsewhere(job, settings)
    _check_unfinished(view)
    if view.state is JobState.RUNNING:
        _cancel_running(output, view, settings)
        if is_formed(output):  # an update: the table stays as it was
            return Cancelled(view.job, not is_running(output), view.done, view.images)
        view = read_snapshot(output) or view
        _check_unfinished(view)  # its last row may have been done before
    if view.state not in (JobState.RUNNING, JobState.CANCELLED):
        _record_cancelled(output, view.job, settings)
        view = read_snapshot(output) or view
    return Cancelled(view.job, view.state is not JobState.RUNNING, view.done, view.images)


def _cancel_elsewhere(job: str, settings: Settings) -> Cancelled:
    """Cancel a job that this machine has not started."""
    whole = whole_id(job, remote_ids(settings)) or job
    if not JOB_ID.fullmatch(whole) or not _cancel_in_redis(whole, settings):
        output = find_output(job)  # raises an error if there is none, or its disk is missing
        raise not_started(output)
    return Cancelled(whole, True)


def _check_unfinished(view: JobView) -> None:
    """Raises UsageError. A retry is unfinished; a finished job may be held to be rendered again."""
    if view.exit_code is not None:
        raise UsageError(f"job {view.job} is finished; there is nothing to cancel")


def _output(job: str) -> Path | None:
    """The output of a job of this machine. Raises UsageError if several ids start like this."""
    try:
        return find_output(job)
    except NoSuchJob:
        return None


def _cancel_running(output: Path, view: JobView, settings: Settings) -> None:
    """Cancel a job in Redis, and wait for the end of its producer; it may end before."""
    deadline = time.monotonic() + UNKNOWN_S
    while _is_down(settings) or not _cancel_in_redis(view.job, settings):
        if time.monotonic() > deadline:
            raise SetupError(
                f"job {view.job} still runs: {redacted(broker_url(settings))} does not know it; "
                "cancel it with the HANGTAG_REDIS_URL or HANGTAG_STORE that it was started with, "
                "or end its producer with Ctrl-C"
            )
        time.sleep(_RETRY_S)
        if not is_running(output):
            return
    deadline = time.monotonic() + ENDS_WITHIN_S
    while is_running(output) and time.monotonic() < deadline:
        time.sleep(_RETRY_S)


def _is_down(settings: Settings) -> bool:
    """Whether there is no stack of this store, so the job runs elsewhere, or its stack restarts."""
    return not settings.redis_url and not socket_path(settings).exists()


def _cancel_in_redis(job: str, settings: Settings) -> bool:
    """Whether the broker knew the job, and has cancelled it. Raises BrokerAway."""
    try:
        with connect_briefly(broker_url(settings), "cancel") as client:
            return BatchLedger(client, job, settings.claim_limit_s).cancel()
    except RedisError as error:
        raise BrokerAway(f"Redis does not answer ({error}); try again when it does") from error


def _record_cancelled(output: Path, job_id: str, settings: Settings) -> None:
    job = Job(stored_options(output))
    try:
        job.store_stop(Exit.CANCELLED)
    finally:
        job.close()
    with suppress(BrokerAway):  # the job has no producer, and its keys expire
        _cancel_in_redis(job_id, settings)
