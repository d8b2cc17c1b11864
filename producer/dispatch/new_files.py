"""Counts files that were added since a job started, so that none is dropped silently.

A list may grow at its end. If its lines have changed up to the last one that the job has frozen,
line numbers no longer match, and the job is refused."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping

from producer.inputs.job_options import JobOptions
from producer.journal.journal import Journal
from producer.sources.lists.path_list import list_name
from producer.sources.local.typed_patterns import patterns_of
from producer.sources.local.walk import Walk
from shared.errors import UsageError
from shared.messages.files import printable

WalkPosition = tuple[int, bytes]  # argument number, path: the order of a walk


class NewFiles:
    """Counts the files that are in the folders now, but in no frozen batch.

    For an unfinished job only files before the position of its walk count. The journal and a new
    walk are both in path order, so one merge finds them in constant memory. It takes as long as a
    walk, so a resumed job works meanwhile and calls `advance` between its turns.
    """

    def __init__(
        self,
        options: JobOptions,
        journal: Journal | None,
        finished: bool,
        report: Callable[[int], None],
        placed: Callable[[bytes], bool] = lambda path: False,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        """`report` is called once with the number, if there are any. Without a journal the job has
        not started, and there are none. Files that are `placed` are old ones, which were sorted.
        `check` may end the count.

        Raises:
            UsageError: the job's list was changed.
        """
        self._counts = _counts(options, journal, finished, placed, check)
        self._report, self._check = report, check
        self._found = 0
        self.over = False

    def advance(self, seconds: float = math.inf) -> None:
        """Count for this time. Raises SetupError: a folder that was typed cannot be listed."""
        if self.over:
            return
        until = time.monotonic() + seconds
        for count in self._counts:
            self._found = count
            self._check()
            if time.monotonic() >= until:
                return
        self.over = True
        if self._found:
            self._report(self._found)


def _counts(
    options: JobOptions,
    journal: Journal | None,
    finished: bool,
    placed: Callable[[bytes], bool],
    check: Callable[[], None],
) -> Iterator[int]:
    """The number so far, after each file. A list is compared at once: no batch may be formed from
    a changed one."""
    last = journal.last() if journal else None
    if journal is None or last is None:
        return iter(())
    if options.list_file:
        added = _added(options, journal, last.argument, check)
        return iter((added,) if finished else ())
    known = _known(options, journal)
    end = None if finished else (last.argument, last.names[-1])
    walk = Walk(options, check=check)
    there = (place for place in walk.paths() if not placed(place[1]))
    return _only_in_first(_until(there, end), known)


def _added(options: JobOptions, journal: Journal, last_line: int, check: Callable[[], None]) -> int:
    """The number of paths in a list after those in the journal, which must be the same."""
    lines = Walk(options, check=check).paths()
    number = -1
    for names in journal.names():
        for name in names:
            number, path = next(lines, (-1, b""))
            if path != name:
                raise UsageError(_edited(options, f"{printable(name)} has moved"))
    if number != last_line:  # the walk resumes at this line
        raise UsageError(_edited(options, "empty lines were added or removed"))
    return sum(1 for _ in lines)


def _edited(options: JobOptions, how: str) -> str:
    return (
        f"{list_name(options)} was changed since the job started, other than at its end "
        f"({how}); restore it, or start over with --restart"
    )


def _only_in_first(walk: Iterator[WalkPosition], known: Iterator[WalkPosition]) -> Iterator[int]:
    count = 0
    expected = next(known, None)
    for place in walk:
        while expected is not None and expected < place:
            expected = next(known, None)  # this file was removed
        if expected == place:
            expected = next(known, None)
        else:
            count += 1
        yield count


def _until(walk: Iterator[WalkPosition], end: WalkPosition | None) -> Iterator[WalkPosition]:
    for place in walk:
        if end is not None and place > end:
            return
        yield place


def _known(options: JobOptions, journal: Journal) -> Iterator[WalkPosition]:
    """The journal's files; the argument of each is the longest that its path starts with."""
    patterns = patterns_of(options)
    arguments = {
        root.rstrip(b"/"): number
        for number, root in enumerate(options.roots)
        if number not in patterns
    }
    for names in journal.names():
        for name in names:
            covering = (number for number, pattern in patterns.items() if pattern.covers(name))
            number = next(covering, None)
            yield _argument(arguments, name) if number is None else number, name


def _argument(arguments: Mapping[bytes, int], name: bytes) -> int:
    """The number of the longest argument that is `name` or a folder above it.

    A walk follows neither ".." nor links, so a shorter argument does not lead to this file.
    """
    while name and name not in arguments:
        name = name.rpartition(b"/")[0]
    return arguments.get(name, 0)
