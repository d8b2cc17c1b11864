"""`hangtag cancel`: stop a job. What is done is kept; the same command resumes it."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from redis.exceptions import RedisError

from producer.background import find_output
from producer.job import Job, stored_options
from producer.peek import State, peek
from producer.wording import counted
from shared.broker import glance
from shared.contract import JOB_ID
from shared.errors import BrokerAway, UsageError
from shared.exits import Exit
from shared.ledger import Ledger
from shared.place import broker_url
from shared.settings import Settings


def cancel(job: str, settings: Settings) -> str:
    """Cancel a job by its id or output; answers a line that says what happened.

    Raises:
        UsageError: there is no such job, or it is finished.
        BrokerAway: it runs, and Redis does not answer.
    """
    output = _output(job)
    view = peek(output) if output is not None else None
    if view is None:
        if not JOB_ID.fullmatch(job) or not _tell_redis(job, settings):
            raise UsageError(f"there is no job {job}; see: hangtag status")
        return f"job {job} is cancelled"
    if view.state is State.FINISHED:
        raise UsageError(f"job {view.job} is finished; there is nothing to cancel")
    if view.state is State.RUNNING:
        _tell_redis(view.job, settings)
    elif output is not None:
        _mark(output, view.job, settings)
    return f"job {view.job} is cancelled; {view.done:,} of {counted(view.images, 'image')} are kept"


def _output(job: str) -> Path | None:
    try:
        return find_output(job)
    except UsageError:
        return None


def _tell_redis(job: str, settings: Settings) -> bool:
    try:
        client = glance(broker_url(settings), "cancel")
        return Ledger(client, job, settings.claim_limit_s).cancel()
    except RedisError as error:
        raise BrokerAway(f"Redis does not answer ({error}); try again when it does") from error


def _mark(output: Path, job_id: str, settings: Settings) -> None:
    job = Job(stored_options(output))
    try:
        job.stopped(Exit.CANCELLED)
    finally:
        job.close()
    with suppress(BrokerAway):  # without a producer nothing of it runs, and its keys expire
        _tell_redis(job_id, settings)
