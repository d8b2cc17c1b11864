"""Decoded properties of a job, shared by all readers of a journal."""

from __future__ import annotations

import os
import sqlite3
from abc import ABC, abstractmethod
from contextlib import suppress
from pathlib import Path
from typing import Annotated, NamedTuple, TypeVar
from urllib.parse import quote

import msgspec

from producer.job.job_options import ErrorBudget, JobOptions
from producer.job.skipped import SKIPPED, UNLISTED, Unlisted
from producer.job.totals import AnswerCounts
from shared import regular_file
from shared.errors import MISFITS, BadMessage, Exit
from shared.messages.batch import JobRecord, decode_job
from shared.messages.model_card import Card, decode_card

T = TypeVar("T")
_Number = Annotated[int, msgspec.Meta(ge=0, lt=1 << 62)]


class Pinned(NamedTuple):
    """Fixed when a job starts: its record, the card of its version, its options."""

    record: JobRecord
    card: Card
    options: JobOptions


class JobProperties(ABC):
    """Each property is decoded at each access, and raises BadMessage if it cannot be read."""

    @abstractmethod
    def get(self, key: str) -> bytes | None:
        """A property as it is stored."""

    def decoded(self, key: str, kind: type[T], default: T | None = None) -> T:
        """A property that is stored as JSON; `default` if there is none. Raises BadMessage."""
        data = self.get(key)
        if not data and default is not None:
            return default
        try:
            return msgspec.json.decode(data or b"", type=kind)
        except MISFITS as error:
            raise BadMessage(
                f"the job's {key} in its journal cannot be read ({error}); "
                "update Hangtag here, or start over with --restart"
            ) from error

    def text(self, key: str) -> str:
        """A property that is a text; empty if there is none."""
        return (self.get(key) or b"").decode(errors="replace")

    @property
    def has_started(self) -> bool:
        """Whether a model version was pinned."""
        return self.get("record") is not None

    @property
    def record(self) -> JobRecord:
        """The job's record, as workers receive it."""
        try:
            return decode_job(self.get("record") or b"")
        except BadMessage as error:
            raise BadMessage(
                f"the job's record in its journal cannot be read ({error}); "
                "update Hangtag here, or start over with --restart"
            ) from error

    @property
    def card(self) -> Card:
        """The card of the pinned version."""
        return decode_card(self.get("card") or b"")

    @property
    def options(self) -> JobOptions:
        """The options that the job was started with."""
        return self.decoded("options", JobOptions)

    @property
    def budget(self) -> ErrorBudget:
        """The budget of the last attempt."""
        return self.decoded("budget", ErrorBudget, ErrorBudget())

    @property
    def exit_code(self) -> Exit | None:
        """How the job finished; None before."""
        return self._optional("exit", Exit)

    @property
    def sha256(self) -> str:
        """Hexadecimal digest of the table as it was written; empty before."""
        return self.text(TABLE)

    @property
    def stopped(self) -> Exit | None:
        """How the last attempt ended, if known."""
        codes = {b"%d" % code: code for code in Exit}
        return codes.get(self.get("stopped") or b"")

    @property
    def attempt(self) -> AttemptResult:
        """The result of the last finished attempt."""
        return self.decoded(ATTEMPT, AttemptResult, AttemptResult())

    @property
    def file_count(self) -> int | None:
        """The number of files in its folders, as counted when it ran; None before."""
        return self._optional(FILE_COUNT, _Number)

    @property
    def answers(self) -> AnswerCounts | None:
        """What came out, as of the last written table; None before."""
        return self._optional(ANSWERS, AnswerCounts)

    @property
    def unlisted(self) -> Unlisted:
        """The folders that could not be listed so far."""
        return self.decoded(UNLISTED, Unlisted, Unlisted())

    @property
    def first_number(self) -> int:
        """The number from which new batches are counted: earlier ones may have been sent by the
        journals that this one has replaced, and a late result is told by its number. It grows with
        each update, after which rows have other numbers, too."""
        return self.decoded(NUMBERS, _Number, 0)

    @property
    def skipped(self) -> dict[str, int]:
        """Entries that the walk skipped, by reason."""
        return self.decoded(SKIPPED, dict[str, int], {})

    def _optional(self, key: str, kind: type[T]) -> T | None:
        """As `decoded`; None if there is none."""
        return self.decoded(key, kind) if self.get(key) else None


class PropertyValues(JobProperties):
    """Properties at one moment."""

    def __init__(self, values: dict[str, bytes]) -> None:
        self._values = values

    def get(self, key: str) -> bytes | None:
        return self._values.get(key)


def open_read_only(path: Path, immutable: bool) -> sqlite3.Connection:
    """Open a journal for reading. If `immutable`, it is read without its log: SQLite creates no
    files beside it, and does not notice a writer. Several threads may use it, one at a time: a web
    server iterates over rows in any. Raises sqlite3.DatabaseError, OSError."""
    with suppress(FileNotFoundError):  # SQLite reports it
        regular_file.check(path)
    uri = f"file:{quote(os.fsencode(path))}?mode=ro{'&immutable=1' if immutable else ''}"
    return sqlite3.connect(uri, uri=True, check_same_thread=False)


#: The property of a job with the digest of its table, or of a file that the table may replace.
TABLE = "table"
#: The property of a job that holds its last attempt's result.
ATTEMPT = "attempt"
#: The property of a job that names the process of its last attempt: pid:started.
PRODUCER = "producer"
#: The property that holds the number of files in the folders.
FILE_COUNT = "files"
#: The property that holds the counts of the results.
ANSWERS = "answers"
#: The property of a table that was brought up to date with the number of its first new batch.
NUMBERS = "numbers"


class AttemptResult(msgspec.Struct, frozen=True):
    """One run of `classify` or `collect`."""

    classified: int = 0  #: images in this attempt only
    seconds: float = 0.0
    skipped: dict[str, int] = {}  #: by reason, in this attempt and in earlier ones
