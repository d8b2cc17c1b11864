"""The id of a request, given to a command on jobs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from producer.job.find_job import NoSuchJob
from producer.trainer import existing
from producer.trainer.existing import NoSuchRequest
from shared.errors import BrokerAway, UsageError
from shared.messages.requests import REQUEST_ID
from shared.settings import Settings


@contextmanager
def requests_refused(job: str, settings: Settings) -> Iterator[None]:
    """If no such job is known, and it is a request: UsageError with the command that follows it."""
    try:
        yield
    except (NoSuchJob, BrokerAway) as error:
        if not _may_be_request(job, settings, error) or not _is_request(job, settings):
            raise
        command = f"hangtag train --follow {job}"
        raise UsageError(f"{job} is a request to the trainer; use: {command}") from error


def cancel_request(job: str, settings: Settings, error: UsageError | BrokerAway) -> str:
    """Cancel the request of this id; return what was done. Raises the error, by which no job was
    found, if there is no such request; otherwise as `existing.cancel`."""
    if not _may_be_request(job, settings, error):
        raise error
    try:
        return existing.cancel(settings, job)
    except (NoSuchRequest, BrokerAway):
        raise error from None


def _may_be_request(job: str, settings: Settings, error: UsageError | BrokerAway) -> bool:
    away = isinstance(error, BrokerAway) and settings.redis_url  # it would not answer again
    return not away and REQUEST_ID.fullmatch(job) is not None


def _is_request(name: str, settings: Settings) -> bool:
    try:
        return existing.is_known(settings, name)
    except BrokerAway:
        return False
