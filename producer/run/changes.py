"""What has happened to the files of a table since it was written: which rows stay, which files are
to be classified."""

from __future__ import annotations

import enum
import time
from collections.abc import Callable, Iterator

import msgspec

from producer.job.journal import Journal
from producer.job.row_batch import RowBatch
from producer.sources.compared import KnownRow, PresentFiles, compared
from producer.sources.job_sources import WalkPosition
from shared.image_status import BY_CODE, Status
from shared.messages.files import NO_STAMP, Stamp

_OK = Status.OK.code
#: The number of changes of one update that are listed one by one.
NAMED_MAX = 10_000
#: A program that copies a file writes to it again within this time.
SETTLED_AFTER_S = 2.0
_NS = 10**9


class Kind(enum.StrEnum):
    """What happens to a row."""

    NEW = "new"
    CHANGED = "changed"
    GONE = "gone"
    AGAIN = "again"  #: it had failed; its file is the same


class Stretch(msgspec.Struct, gc=False):
    """Rows of the next table that follow each other: some of an old batch, which stay with their
    answers, or (without one) a row that is to be classified."""

    argument: int  #: of the last row
    names: list[bytes]  #: of the old batch
    known: KnownRow | None = None  #: the first row
    start: int = 0
    stop: int = 0

    def __len__(self) -> int:
        return self.stop - self.start


class WritesInProgress:
    """One update waits until the files that were written before it began are old enough, which is
    once and for two seconds at most. Files that are written while it runs wait for the next one. A
    time in the future is that of another clock, and says nothing."""

    def __init__(
        self, sleep: Callable[[float], None], now_ns: Callable[[], int] = time.time_ns
    ) -> None:
        self._sleep, self._now_ns = sleep, now_ns
        self._begun_ns = now_ns()

    def is_finished(self, stamp: Stamp, again: Callable[[], Stamp]) -> bool:
        """Whether a file with this stamp is not being written; `again` reads its stamp a second
        time."""
        if not self._is_young(stamp):
            return True
        if stamp[1] > self._begun_ns:
            return False
        left_ns = stamp[1] + int(SETTLED_AFTER_S * _NS) - self._now_ns()
        self._sleep(max(0.0, left_ns / _NS))
        return not self._is_young(again())

    def _is_young(self, stamp: Stamp) -> bool:
        return 0 <= self._now_ns() - stamp[1] < SETTLED_AFTER_S * _NS


class Changes:
    """One comparison of the files with the rows of a finished job."""

    def __init__(self, present: PresentFiles, writes: WritesInProgress, retry_failed: bool) -> None:
        """With `retry_failed` each row without a label is classified again."""
        self._present, self._writes, self._retry = present, writes, retry_failed
        self._files = present.row_files
        self.counts = dict.fromkeys(Kind, 0)
        self.named: list[tuple[Kind, bytes]] = []  #: what has happened, as far as it is listed
        self.young = 0  #: files that are being written
        self.unreached = 0  #: images whose server does not answer, or refuses them
        self.namesakes = 0  #: new files with the name of a row whose file was sorted elsewhere

    def stretches(self, journal: Journal) -> Iterator[Stretch]:
        """The rows of the next table, in order. Raises SetupError, BadMessage."""
        run, record = Stretch(0, []), None
        for file, row in compared(self._present, journal, self._present):
            if row is not None:
                place, known = row
                rows, i = known.rows, known.i
                kind = None
                if file is None or file[1] != rows.stamps[i] or rows.statuses[i] != _OK:
                    kind = self._kind(rows, i, None if file is None else file[1])
                if kind is None:
                    if known.record is not record or run.stop != i:
                        if run:
                            yield run
                        run, record = Stretch(0, rows.names, known, i, i), known.record
                    run.stop, run.argument = i + 1, place[0]
                    continue
            elif file is not None and self._is_added(*file):
                place, kind = file[0], Kind.NEW
            else:
                continue
            self._count(kind, place)
            if kind is not Kind.GONE:
                if run:
                    yield run
                yield Stretch(place[0], [place[1]], stop=1)
                run, record = Stretch(0, []), None
        if run:
            yield run

    def _count(self, kind: Kind, place: WalkPosition) -> None:
        self.counts[kind] += 1
        is_listed = kind is not Kind.GONE or self._present.is_sorted
        if is_listed and len(self.named) < NAMED_MAX:
            self.named.append((kind, place[1]))

    def _is_added(self, place: WalkPosition, stamp: Stamp) -> bool:
        """Whether a file without a row gets one."""
        name = place[1]
        return not self._files.is_placed(name) and not self._is_young(name, stamp)

    def _kind(self, rows: RowBatch, i: int, stamp: Stamp | None) -> Kind | None:
        """What happens to a row whose file has this stamp (None: the walk has not met it); None: it
        stays."""
        if stamp is None:  # one that has left a list goes, wherever its file is
            return Kind.GONE if self._present.is_listed else self._of_absent(rows, i)
        before, status, name = rows.stamps[i], BY_CODE[rows.statuses[i]], rows.names[i]
        was_written = status is Status.MISSING and before != NO_STAMP  # while it was read
        if (status is not Status.OK and self._retry) or was_written or status is Status.CHANGED:
            return Kind.AGAIN
        if before == NO_STAMP:
            return None if self._present.content(name) is status else Kind.CHANGED
        if stamp == before:  # it failed
            return None
        if self._files.moved_to(name) is not None:
            self.namesakes += stamp != NO_STAMP
            return self._of_absent(rows, i)
        if stamp == NO_STAMP and not self._present.is_missing(name):
            self.unreached += 1
            return None  # it may be there
        return self._changed(name, stamp)

    def _of_absent(self, rows: RowBatch, i: int) -> Kind | None:
        """What happens to a row whose file is not at its path."""
        name = rows.names[i]
        if self._files.moved_to(name) is None:
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
        return None if isinstance(same, bytes) else self._changed(name, stamp)

    def _changed(self, name: bytes, stamp: Stamp) -> Kind | None:
        return None if self._is_young(name, stamp) else Kind.CHANGED

    def _is_young(self, name: bytes, stamp: Stamp) -> bool:
        """Whether a file may still be written."""
        if self._files.path(name) is None:
            return False
        is_finished = self._writes.is_finished(stamp, lambda: self._files.stamp(name))
        self.young += not is_finished
        return not is_finished
