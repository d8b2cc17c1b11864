"""Counts files that were added since a job started, so that none is dropped silently.

A list may grow at its end. If its lines have changed up to the last one that the job has frozen,
line numbers no longer match, and the job is refused."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterator

from producer.job.journal import Journal
from producer.sources.compared import Reordered, in_order
from producer.sources.job_sources import JobSources, Walk, WalkPosition
from producer.sources.lists import list_name
from shared.errors import UsageError
from shared.messages.files import printable


class NewFiles:
    """Counts the files that are in the folders now, but in no frozen batch.

    For an unfinished job only files before the position of its walk count. The journal and a new
    walk are both in path order, so one merge finds them in constant memory. It takes as long as a
    walk, so a resumed job works meanwhile and calls `advance` between its turns.
    """

    def __init__(
        self,
        sources: JobSources,
        journal: Journal | None,
        finished: bool,
        report: Callable[[int], None],
        placed: Callable[[bytes], bool] = lambda path: False,
    ) -> None:
        """`report` is called once with the number, if there are any. Without a journal the job has
        not started, and there are none. Files that are `placed` are old ones, which were sorted.

        Raises:
            UsageError: the job's list was changed.
        """
        self._counts = _counts(sources, journal, finished, placed)
        self._report, self._sources = report, sources
        self.found = 0
        self.over = False

    def advance(self, seconds: float = math.inf) -> None:
        """Count for this time. Raises SetupError: a folder that was typed cannot be listed."""
        if self.over:
            return
        until = time.monotonic() + seconds
        for count in self._counts:
            self.found = count
            self._sources.waits.check()
            if time.monotonic() >= until:
                return
        self.over = True
        if self.found:
            self._report(self.found)


def _counts(
    sources: JobSources,
    journal: Journal | None,
    finished: bool,
    placed: Callable[[bytes], bool],
) -> Iterator[int]:
    """The number so far, after each file. A list is compared at once: no batch may be formed from
    a changed one."""
    if journal is None or (last := journal.last()) is None:
        return iter(())
    if sources.options.list_file:
        added = _added(sources, journal, last.argument)
        return iter((added,) if finished else ())
    end = None if finished else (last.argument, last.names[-1])
    position = _position(sources)

    def until_end(places: Iterator[WalkPosition]) -> Iterator[tuple[WalkPosition, None]]:
        return ((place, None) for place in _until(places, end, position))

    walk = Walk(sources)
    there = (place for place in walk.paths() if not placed(place[1]))
    pairs = in_order(until_end(there), until_end(_known(sources, journal)), position)
    counts = _without_row(pairs, sources)
    if finished or not sources.own_order(last.names[-1]):
        return counts
    return iter(deque(counts, maxlen=1))  # at once, as a list: no batch may follow a wrong place


def _added(sources: JobSources, journal: Journal, last_line: int) -> int:
    """The number of paths in a list after those in the journal, which must be the same."""
    lines = Walk(sources).paths()
    number = -1
    for names in journal.names():
        for name in names:
            number, path = next(lines, (-1, b""))
            if path != name:
                raise UsageError(_edited(sources, f"{printable(name)} has moved"))
    if number != last_line:  # the walk resumes at this line
        raise UsageError(_edited(sources, "empty lines were added or removed"))
    return sum(1 for _ in lines)


def _edited(sources: JobSources, how: str) -> str:
    return (
        f"{list_name(sources.options)} was changed since the job started, other than at its end "
        f"({how}); restore it, or start over with --restart"
    )


def _without_row(
    pairs: Iterator[tuple[object | None, object | None]], sources: JobSources
) -> Iterator[int]:
    """Raises UsageError: a source that has its own order has changed before its end."""
    count = 0
    try:
        for _, row in pairs:
            count += row is None
            yield count
    except Reordered as error:
        raise UsageError(_reordered(sources, error.name)) from error


def _position(sources: JobSources) -> Callable[[WalkPosition], WalkPosition]:
    """Where a place is among those in byte order; all that have an order of their own are one."""
    if not sources.has_others:
        return lambda place: place
    return lambda place: (place[0], sources.own_order(place[1]) or place[1])


def _reordered(sources: JobSources, name: bytes) -> str:
    where = printable(sources.own_order(name).rstrip(b"/"))
    return (
        f"{where} was changed since the job started, other than at its end ({printable(name)} has "
        "moved); restore it, or start over with --restart"
    )


def _until(
    places: Iterator[WalkPosition],
    end: WalkPosition | None,
    position: Callable[[WalkPosition], WalkPosition],
) -> Iterator[WalkPosition]:
    for place in places:
        if end is not None and position(place) > position(end):
            return
        yield place
        if place == end:
            return


def _known(sources: JobSources, journal: Journal) -> Iterator[WalkPosition]:
    """The journal's files, each with its argument."""
    for names in journal.names():
        for name in names:
            yield sources.number_of(name), name
