"""The commands on jobs refuse the id of a request, and name the command that takes it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from producer.jobs.find_job import NoSuchJob
from producer.requests import existing
from shared.errors import BrokerAway, UsageError
from shared.settings import Settings


@contextmanager
def requests_refused(job: str, settings: Settings, option: str) -> Iterator[None]:
    """If no such job is known, and it is a request: UsageError with `hangtag train OPTION ID`."""
    try:
        yield
    except (NoSuchJob, BrokerAway) as error:
        away = isinstance(error, BrokerAway) and settings.redis_url  # it would not answer again
        if away or not _is_request(job, settings):
            raise
        command = f"hangtag train {option} {job}"
        raise UsageError(f"{job} is a request to the trainer; use: {command}") from error


def _is_request(name: str, settings: Settings) -> bool:
    try:
        return existing.is_known(settings, name)
    except BrokerAway:
        return False
