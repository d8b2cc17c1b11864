"""Files that appeared since a job began: counted when it is run again, never dropped in silence."""

from __future__ import annotations

from collections.abc import Iterator

from producer.journal import Journal
from producer.options import JobOptions
from producer.walk import Walk

Place = tuple[int, bytes]  # argument number, path: what a walk is ordered by


def appeared(options: JobOptions, journal: Journal, finished: bool) -> int:
    """How many files are in the folders now, but in none of the frozen batches.

    Of a job that is not finished only those count that its walk has passed already. Both the
    journal and a new walk are in path order, so one merge tells; nothing is held in memory.
    """
    known = _known(options, journal)
    last = journal.last()
    if last is None:
        return 0
    end = None if finished else (last.argument, last.names[-1])
    if options.list_file:
        lines = sum(1 for place in Walk(options).paths() if end is None or place <= end)
        return max(0, lines - sum(1 for _ in known))
    return _only_in_first(_until(Walk(options).paths(), end), known)


def _only_in_first(walk: Iterator[Place], known: Iterator[Place]) -> int:
    count = 0
    expected = next(known, None)
    for place in walk:
        while expected is not None and expected < place:
            expected = next(known, None)  # this file is gone
        if expected == place:
            expected = next(known, None)
        else:
            count += 1
    return count


def _until(walk: Iterator[Place], end: Place | None) -> Iterator[Place]:
    for place in walk:
        if end is not None and place > end:
            return
        yield place


def _known(options: JobOptions, journal: Journal) -> Iterator[Place]:
    """The journal's files; the argument of each is the one that its path begins with."""
    argument = 0
    for names in journal.names():
        for name in names:
            while argument < len(options.roots) - 1 and not _under(options.roots[argument], name):
                argument += 1
            yield argument, name


def _under(root: bytes, name: bytes) -> bool:
    return name == root or name.startswith(root.rstrip(b"/") + b"/")
