"""Hints and job records. Anything invalid raises BadMessage.

Workers refuse a record with a field that they do not know: such a field raises keys.PROTOCOL.
"""

from __future__ import annotations

import re

import msgspec

from shared.errors import MISFITS, BadMessage
from shared.messages.model_name import NAME
from shared.runtimes import RUNTIMES

JOB_ID = re.compile(r"[0-9a-hjkmnp-tv-z]{8}")
MAX_BATCHES = 1 << 31
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


def encode_job(record: JobRecord) -> bytes:
    """The record as JSON, which is readable in Redis."""
    return msgspec.json.encode(record)


def decode_job(data: bytes) -> JobRecord:
    """The record in `data`. Raises BadMessage."""
    try:
        return msgspec.json.decode(data, type=JobRecord).check()
    except MISFITS as error:
        raise BadMessage(f"not a job record: {error}") from error
