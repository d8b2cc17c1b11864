"""Hints and job records. Anything invalid raises BadMessage.

Workers refuse a record with a field that they do not know. So a job that needs such a field has its
hints in a queue of its own, which only workers of that generation serve.
"""

from __future__ import annotations

import re

import msgspec

from shared import keys
from shared.errors import MISFITS, BadMessage
from shared.messages.later_fields import needed
from shared.messages.model_name import NAME
from shared.runtimes import RUNTIMES

JOB_ID = re.compile(r"[0-9a-hjkmnp-tv-z]{8}")
MAX_BATCHES = 1 << 31
#: Fields that records did not have at first -> the generation of workers that knows them, from 2.
#: Each has a default, at which every worker can do the job.
SINCE: dict[str, int] = {}
_PATH_CHARS = 4096  #: no system has longer paths
_SHA256 = re.compile(r"[0-9a-f]{64}")


def check_hint(job: object, batch: object) -> None:
    """Raises BadMessage for a hint that is not `(job id, batch number)`."""
    good = isinstance(job, str) and JOB_ID.fullmatch(job) is not None
    if not good or type(batch) is not int or not 0 <= batch < MAX_BATCHES:
        raise BadMessage(f"not a hint: ({job!r:.40}, {batch!r:.40})")


class JobRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a worker needs to know of a job. A job is pinned to a version by its submission."""

    id: str
    name: str
    version: int
    card_sha256: str  #: the card names the sha256 of every other file
    runtime: str
    top_k: int  #: how many (label, probability) pairs each image gets
    output: str  #: displayed by `status`, opened only by the producer
    host: str
    created: float  #: seconds since 1970

    def check(self) -> JobRecord:
        """This record, if every field is in range.

        Raises:
            BadMessage: a field is out of range.
        """
        good = (
            JOB_ID.fullmatch(self.id)
            and NAME.fullmatch(self.name)
            and 0 <= self.version < 1 << 31
            and _SHA256.fullmatch(self.card_sha256)
            and self.runtime in RUNTIMES
            and 1 <= self.top_k <= 65_535
            and max(len(self.output), len(self.host)) <= _PATH_CHARS
        )
        if not good:
            raise BadMessage(f"job record {self.id!r:.40} has a field out of range")
        return self


def newest() -> int:
    """The generation of this Hangtag's workers."""
    return max(SINCE.values(), default=1)


def served() -> list[str]:
    """The queues that this Hangtag's workers serve."""
    return [keys.classify_queue(generation) for generation in range(1, newest() + 1)]


def generation(record: JobRecord) -> int:
    """The oldest generation of workers that can do this job."""
    return max((SINCE.get(field, 1) for field in needed(record, SINCE)), default=1)


def encode_job(record: JobRecord) -> bytes:
    """The record as JSON, which is readable in Redis."""
    return msgspec.json.encode(needed(record, SINCE))


def decode_job(data: bytes) -> JobRecord:
    """The record in `data`. Raises BadMessage."""
    try:
        return msgspec.json.decode(data, type=JobRecord).check()
    except MISFITS as error:
        raise BadMessage(f"not a job record: {error}") from error
