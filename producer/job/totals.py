"""The totals of a job, summed over the batches of its journal.

They are stored beside the batches, in the same transaction, so that reading a job's state costs
the same for every size.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

import msgspec

from producer.job import property_table
from shared.errors import MISFITS
from shared.image_status import add_flags

#: The property of a job that holds its totals.
PROPERTY = "totals"


class JobCounts(msgspec.Struct):
    """The numbers of images of a job so far."""

    images: int = msgspec.field(default=0, name="frozen")  #: in batches, whose files are frozen
    done: int = 0  #: without failed rows that are being repeated
    failed: int = 0  #: done, and without a label
    flagged: dict[str, int] = {}  #: by flag, without zeros


class Failures(msgspec.Struct, frozen=True):
    """The failed rows of one status."""

    count: int
    first: str  #: the first file, as a cell of the table


class AcceptedShare(msgspec.Struct, frozen=True):
    """The accepted rows of a table, and what share of them should be right."""

    images: int
    #: The mean of their confidences, which are calibrated on the version's held-out images; None:
    #: nothing is promised of these rows.
    expected: float | None
    precision: float | None = None  #: of --accept: at least this share, unless nothing is promised
    min_confidence: float | None = None


class Withdrawn(msgspec.Struct, frozen=True):
    """Nothing is promised of the rows of a table (producer/table/promise.py)."""

    why: str  #: a clause
    train: str  #: the command that trains a version on such images, or uses one
    advice: str = "train your own"  #: what the command is for


class AnswerCounts(msgspec.Struct, frozen=True):
    """What came out of a job. As large as the model's list of labels, whatever the job's size."""

    labels: dict[str, int] = {}  #: images by label, the most frequent first
    doubtful: dict[str, int] = {}  #: those of them that are doubtful (docs/table.md)
    #: The share of the others that should be right; None if nothing is promised, or the version has
    #: no thresholds, so that every row is doubtful.
    precision: float | None = None
    failures: dict[str, Failures] = {}  #: by status
    in_label_folders: int = 0  #: images with a label whose folder is named as a label
    as_folder: int = 0  #: those of them that have this label
    accepted: AcceptedShare | None = None  #: by --accept or --min-confidence; None without one
    #: The version, if it has learned from the folder of the job. It follows from options and card;
    #: no journal stores it.
    learned_by: str = ""
    #: None: the promises hold. It follows from the counts and the card; no journal stores it.
    withdrawn: Withdrawn | None = None

    @property
    def rows(self) -> int:
        """The number of rows, failed ones included."""
        return sum(self.labels.values()) + sum(failure.count for failure in self.failures.values())


def store_counts(database: sqlite3.Connection, totals: JobCounts) -> None:
    """Write the totals, in the open transaction. Raises sqlite3.DatabaseError."""
    property_table.put(database, **{PROPERTY: msgspec.json.encode(totals)})


def load_counts(properties: Mapping[str, bytes]) -> JobCounts:
    """The totals in a job's properties. Raises sqlite3.DatabaseError if they are damaged."""
    try:
        return msgspec.json.decode(properties[PROPERTY], type=JobCounts)
    except (KeyError, *MISFITS) as error:
        raise sqlite3.DatabaseError("the job's totals are missing or damaged") from error


def sums(database: sqlite3.Connection) -> JobCounts:
    """The totals, summed over all batches of a journal.

    Raises:
        sqlite3.DatabaseError: the file is damaged.
    """
    row = database.execute(
        "SELECT total(count), total(count - again) FILTER (WHERE failed IS NOT NULL),"
        " total(failed) FROM batch WHERE places IS NULL"
    ).fetchone()
    flagged = database.execute(
        "SELECT key, total(value) FROM batch, json_each(flagged) WHERE flagged IS NOT NULL"
        " GROUP BY key"
    )
    images, done, failed = map(int, row)
    # In the order of `shared/image_status.py`, not of the rows.
    return JobCounts(images, done, failed, add_flags({}, {key: int(n) for key, n in flagged}))
