"""Compares the rows of a finished job with its files as they are now.

One comparison (`producer/locations/compared.py`) finds what is new, what has changed and what is
gone.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from typing import NamedTuple

from producer.journal.journal import Journal
from producer.journal.records import Record
from producer.locations.compared import compared
from producer.locations.present_files import PresentFiles
from producer.rows.row_batch import RowBatch
from producer.sources.walk import WalkPosition
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


class Change(NamedTuple):
    """A row that is to be classified or, if its file is gone, leaves."""

    kind: Kind
    name: bytes
    argument: int


class BatchEnd(NamedTuple):
    """All rows of a batch have been compared."""


Part = Kept | Change | BatchEnd


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
        run = _Run()
        for file, row in compared(self._present, journal, self._present):
            if row is None:
                change = self._new(*file) if file is not None else None
            else:
                place, known = row
                rows, i = known.rows, known.i
                if known.record is not run.record:
                    yield from run.ended()
                    if run.record is not None:
                        yield BatchEnd()
                    run = _Run(known.record, rows)
                if file is None:
                    change = self._gone(place, rows, i)
                elif file[1] == rows.stamps[i] and rows.statuses[i] == _OK:
                    change = None
                else:
                    change = self._judged(place, rows, i, file[1])
                if change is None:
                    if run.stop != i:
                        yield from run.ended()
                    run.keep(i, place[0])
            if change is not None:
                yield from run.ended()
                yield change
        yield from run.ended()
        if run.record is not None:
            yield BatchEnd()

    def _gone(self, place: WalkPosition, rows: RowBatch, i: int) -> Change | None:
        """What happens to a row without a file; one that has left a list goes."""
        kind = self._absent(rows, i) if self._present.is_sorted else Kind.GONE
        return None if kind is None else self._counted(kind, place)

    def _judged(self, place: WalkPosition, rows: RowBatch, i: int, stamp: Stamp) -> Change | None:
        kind = self._kind(rows, i, stamp)
        return None if kind is None else self._counted(kind, place)

    def _counted(self, kind: Kind, place: WalkPosition) -> Change:
        self.counts[kind] += 1
        is_listed = kind is not Kind.GONE or self._present.is_sorted
        if is_listed and len(self.named) < NAMED_MAX:
            self.named.append((kind, place[1]))
        return Change(kind, place[1], place[0])

    def _new(self, place: WalkPosition, stamp: Stamp) -> Change | None:
        """The row of a file that has none."""
        name = place[1]
        if self._files.is_placed(name):
            return None
        return None if self._is_young(name, stamp) else self._counted(Kind.NEW, place)

    def _kind(self, rows: RowBatch, i: int, stamp: Stamp) -> Kind | None:
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
