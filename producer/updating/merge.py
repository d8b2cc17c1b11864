"""Compares the rows of a finished job with its files as they are now.

Both are in the same order, so one pass in constant memory finds what is new, what has changed and
what is gone. A list may have any order: its rows are found by their names (`listed_rows.py`).
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator
from contextlib import closing
from typing import NamedTuple

from producer.journal.journal import Journal
from producer.journal.records import Record
from producer.rows.row_batch import RowBatch
from producer.sources.walk import WalkPosition
from producer.updating.listed_rows import ListedRows
from producer.updating.present_files import PresentFiles
from producer.updating.settling import Settling
from shared.image_status import BY_CODE, Status
from shared.messages.files import NO_STAMP, Stamp

_OK = Status.OK.code
#: The number of changes of one update that are listed one by one.
NAMED_MAX = 10_000


class Kind(enum.StrEnum):
    """What happens to a row."""

    NEW = "new"
    CHANGED = "changed"
    GONE = "gone"
    AGAIN = "again"  #: it had failed; its file is the same


class Kept(NamedTuple):
    """Rows of a batch that stay as they are."""

    record: Record
    rows: RowBatch
    start: int
    stop: int
    arguments: list[int]  #: of each

    @property
    def is_whole(self) -> bool:
        """Whether the record stays as it is."""
        is_all = self.stop - self.start == len(self.rows)
        return is_all and self.arguments[-1] == self.record.argument


class Waiting(NamedTuple):
    """A row that is to be classified."""

    kind: Kind
    name: bytes
    argument: int


class Left(NamedTuple):
    """A row whose file is gone."""

    name: bytes


class BatchEnd(NamedTuple):
    """All rows of a batch have been compared."""


Part = Kept | Waiting | Left | BatchEnd


class Merge:
    """One comparison. `parts` are the rows that the table gets, in order, and those that it
    loses."""

    def __init__(self, present: PresentFiles, settling: Settling, retry_failed: bool) -> None:
        """With `retry_failed` each row without a label is classified again."""
        self._present, self._settling, self._retry = present, settling, retry_failed
        self._files = present.row_files
        self.counts = dict.fromkeys(Kind, 0)
        self.named: list[tuple[Kind, bytes]] = []  #: what has happened, as far as it is listed
        self.young = 0  #: files that are being written
        self.unreached = 0  #: images whose server does not answer, or refuses them
        self.namesakes = 0  #: new files with the name of a row whose file was sorted elsewhere

    def parts(self, journal: Journal) -> Iterator[Part]:
        """Raises SetupError, BadMessage."""
        if self._present.is_sorted:
            return self._sorted(journal.finished_records())
        return self._listed(journal)

    def _sorted(self, records: Iterable[Record]) -> Iterator[Part]:
        number_of = self._present.number_of
        present = iter(self._present)
        place, stamp = next(present, (None, NO_STAMP))
        for record in records:
            rows = record.rows()
            codes, stamps, run = rows.statuses, rows.stamps, _Run(record, rows)
            for i, name in enumerate(rows.names):
                here = number_of(name), name
                while place is not None and place < here:
                    if part := self._new(place, stamp):
                        yield from run.ended()
                        yield part
                    place, stamp = next(present, (None, NO_STAMP))
                if place != here:
                    kind = self._absent(rows, i)
                else:
                    is_same = stamp == stamps[i] and codes[i] == _OK
                    kind = None if is_same else self._judged(rows, i, stamp)
                    place, stamp = next(present, (None, NO_STAMP))
                if kind is None:
                    run.keep(i, here[0])
                else:
                    yield from run.ended()
                    yield self._part(kind, here)
            yield from run.ended()
            yield BatchEnd()
        while place is not None:
            if part := self._new(place, stamp):
                yield part
            place, stamp = next(present, (None, NO_STAMP))

    def _listed(self, journal: Journal) -> Iterator[Part]:
        run, matched = _Run(), 0
        with closing(ListedRows(journal)) as listed:
            for place, stamp in self._present:
                found = listed.find(place[1])
                if found is None:
                    part = self._new(place, stamp)
                    if part is not None:
                        yield from run.ended()
                        yield part
                    continue
                matched += 1
                kind = self._judged(found.rows, found.i, stamp)
                if run.record is not found.record or kind is not None or run.stop != found.i:
                    yield from run.ended()
                if run.record is not found.record:
                    if run.record is not None:
                        yield BatchEnd()
                    run = _Run(found.record, found.rows)
                if kind is None:
                    run.keep(found.i, place[0])
                else:
                    yield self._part(kind, place)
            yield from run.ended()
        if (gone := journal.totals.images - matched) > 0:
            self.counts[Kind.GONE] += gone
            yield Left(b"")

    def _part(self, kind: Kind, place: WalkPosition) -> Part:
        self.counts[kind] += 1
        if len(self.named) < NAMED_MAX:
            self.named.append((kind, place[1]))
        return Left(place[1]) if kind is Kind.GONE else Waiting(kind, place[1], place[0])

    def _new(self, place: WalkPosition, stamp: Stamp) -> Part | None:
        """The row of a file that has none."""
        name = place[1]
        if self._files.is_placed(name):
            return None
        return None if self._is_young(name, stamp) else self._part(Kind.NEW, place)

    def _judged(self, rows: RowBatch, i: int, stamp: Stamp) -> Kind | None:
        """What happens to a row whose file is there; None: it stays."""
        status, before, name = BY_CODE[rows.statuses[i]], rows.stamps[i], rows.names[i]
        if status is not Status.OK and self._retry:
            return Kind.AGAIN
        if status is Status.CHANGED or (status is Status.MISSING and before != NO_STAMP):
            return Kind.AGAIN  # it was written while it was read
        if before == NO_STAMP:
            return None if self._present.refusal(name) is status else Kind.CHANGED
        if stamp == before:
            return None
        if self._files.moved_to(name) is not None:
            self.namesakes += stamp != NO_STAMP
            return self._absent(rows, i)
        if stamp == NO_STAMP and not self._present.is_missing(name):
            self.unreached += 1
            return None  # it may be there
        return self._changed(name, stamp)

    def _changed(self, name: bytes, stamp: Stamp) -> Kind | None:
        return None if self._is_young(name, stamp) else Kind.CHANGED

    def _absent(self, rows: RowBatch, i: int) -> Kind | None:
        """What happens to a row whose file is not at its path."""
        name = rows.names[i]
        moved = self._files.moved_to(name)
        if moved is None:
            if not self._present.may_hold(name):
                return Kind.GONE
            # A job that updates repeats every row with this status.
            return Kind.AGAIN if rows.statuses[i] == Status.CHANGED.code else None
        if self._retry and rows.statuses[i] != _OK:
            return Kind.AGAIN
        stamp = self._files.stamp(name)
        if stamp == rows.stamps[i]:
            return None
        # A disk may store less exact times, so the content decides.
        same = self._files.classified(name, rows.stamps[i], rows.digests[i])
        if isinstance(same, bytes):
            return None
        return self._changed(name, stamp)

    def _is_young(self, name: bytes, stamp: Stamp) -> bool:
        """Whether a file may still be written."""
        if self._files.path(name) is None:
            return False
        is_settled = self._settling.is_settled(stamp, lambda: self._files.stamp(name))
        self.young += not is_settled
        return not is_settled


class _Run:
    """Rows of one batch that follow each other and stay."""

    def __init__(self, record: Record | None = None, rows: RowBatch | None = None) -> None:
        self.record, self._rows = record, rows
        self._start = self.stop = 0
        self._arguments: list[int] = []

    def keep(self, i: int, argument: int) -> None:
        if not self._arguments:
            self._start = i
        self.stop = i + 1
        self._arguments.append(argument)

    def ended(self) -> Iterator[Kept]:
        """The run so far, if there is any."""
        if self._arguments and self.record is not None and self._rows is not None:
            yield Kept(self.record, self._rows, self._start, self.stop, self._arguments)
        self._arguments = []
