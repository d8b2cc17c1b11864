"""Files that appeared since a job began: counted when it is run again, never dropped in silence.

A list may grow at its end. Where its lines up to the last one that the job has taken in are others
than they were, no line number means what it did, and the job is refused."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator

from producer.inputs.job_options import JobOptions
from producer.inputs.walk import Walk
from producer.journal.journal import Journal
from shared.errors import UsageError
from shared.messages.files import printable

Place = tuple[int, bytes]  # argument number, path: what a walk is ordered by


class NewFiles:
    """Counts the files that are in the folders now, but in none of the frozen batches.

    Of a job that is not finished only those count that its walk has passed already. Both the
    journal and a new walk are in path order, so one merge tells; nothing is held in memory. It
    takes as long as a walk, so a job that resumes works meanwhile, and `advance` counts on.
    """

    def __init__(
        self,
        options: JobOptions,
        journal: Journal | None,
        finished: bool,
        tell: Callable[[int], None],
    ) -> None:
        """`tell` is called once with the number, if there are any; without a journal, of a job
        that has not begun, there are none.

        Raises:
            UsageError: the job's list is another one than it was.
        """
        self._counts, self._tell = _counts(options, journal, finished), tell
        self._found = 0
        self.over = False

    def advance(self, seconds: float = math.inf) -> None:
        """Count on for so long. Raises SetupError: a folder that was typed cannot be listed."""
        if self.over:
            return
        until = time.monotonic() + seconds
        for found in self._counts:
            self._found = found
            if time.monotonic() >= until:
                return
        self.over = True
        if self._found:
            self._tell(self._found)


def _counts(options: JobOptions, journal: Journal | None, finished: bool) -> Iterator[int]:
    """The number so far, after each file. A list is compared at once: with another one no batch
    may be formed."""
    last = journal.last() if journal else None
    if journal is None or last is None:
        return iter(())
    if options.list_file:
        added = _added(options, journal, last.argument)
        return iter((added,) if finished else ())
    known = _known(options, journal)
    end = None if finished else (last.argument, last.names[-1])
    return _only_in_first(_until(Walk(options).paths(), end), known)


def _added(options: JobOptions, journal: Journal, last_line: int) -> int:
    """How many paths a list has behind those that the journal knows, which must be the same."""
    lines = Walk(options).paths()
    number = -1
    for names in journal.names():
        for name in names:
            number, path = next(lines, (-1, b""))
            if path != name:
                raise UsageError(_edited(options, f"{printable(name)} is not where it was"))
    if number != last_line:  # where the walk goes on
        raise UsageError(_edited(options, "empty lines came or went"))
    return sum(1 for _ in lines)


def _edited(options: JobOptions, how: str) -> str:
    return (
        f"{printable(options.list_file)} was changed since the job began, before its end ({how}); "
        f"put it back, or begin anew with --restart"
    )


def _only_in_first(walk: Iterator[Place], known: Iterator[Place]) -> Iterator[int]:
    count = 0
    expected = next(known, None)
    for place in walk:
        while expected is not None and expected < place:
            expected = next(known, None)  # this file is gone
        if expected == place:
            expected = next(known, None)
        else:
            count += 1
        yield count


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
