"""The job records of a later Hangtag, which have a field more, in this process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

from shared.messages import job_record
from shared.messages.job_record import JobRecord

GENERATION = 2


class NewerRecord(JobRecord, frozen=True, forbid_unknown_fields=True):
    """A job of which a worker measures columns."""

    columns: tuple[str, ...] = ()


@contextmanager
def newer() -> Iterator[None]:
    """Hangtag as it will be with this field, in what is imported in the block."""
    with (
        patch.object(job_record, "JobRecord", NewerRecord),
        patch.dict(job_record.SINCE, columns=GENERATION),
    ):
        yield
