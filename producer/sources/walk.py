"""The walk: every image of a job, in order, in constant memory.

Arguments are walked as typed; within each, names come in the order of its source. Skipped entries
are counted in the same order, so a walk that resumes after an image counts exactly the entries
after it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import msgspec

from producer.inputs.skipped import Counts, Unlisted, one_more
from producer.sources.job_sources import JobSources
from producer.sources.path_list import numbered_paths
from shared.messages.files import Stamp, printable

T = TypeVar("T")
#: Lines of a list between two checks.
_CHECK_LINES = 1 << 12


def announced(items: Iterable[T], count: int, announce: Callable[[T], None]) -> Iterator[T]:
    """The items, in their order; each is announced when it is `count` items ahead."""
    upcoming = deque[T]()
    for item in items:
        announce(item)
        upcoming.append(item)
        if len(upcoming) > count:
            yield upcoming.popleft()
    yield from upcoming


#: The number of an argument, or of a line of a list, and the name of an image.
WalkPosition = tuple[int, bytes]


class WalkedImage(msgspec.Struct, gc=False):  # made in a third of a NamedTuple's time
    """An image, and what the walk has passed over before it."""

    number: int  #: of the argument, or line of a list, that has it
    name: bytes
    skipped: Counts
    unlisted: Unlisted


class Walk:
    """One pass over a job's images."""

    def __init__(
        self,
        sources: JobSources,
        on_unlisted: Callable[[bytes, str], None] = lambda folder, why: None,
        skipped: Counts | None = None,
        check: Callable[[], None] = lambda: None,
        unlisted: Unlisted = Unlisted(),  # noqa: B008  it is frozen
    ) -> None:
        """`skipped` and `unlisted` are what earlier passes have passed over, up to the start of
        this one. `on_unlisted` is called for each folder below an argument that cannot be listed,
        with the reason; `check` again and again while no image is found, and may raise what ends
        the walk."""
        self._sources, self._on_unlisted, self.check = sources, on_unlisted, check
        #: Entries that are no row, by reason, and folders that cannot be listed. Each is replaced
        #: by the next one, never changed.
        self.skipped: Counts = skipped or {}
        self.unlisted = unlisted

    def images(self, after: WalkPosition | None) -> Iterator[WalkedImage]:
        """As `paths`, each with what was passed over before it."""
        for number, name in self.paths(after):
            yield WalkedImage(number, name, self.skipped, self.unlisted)

    def paths(self, after: WalkPosition | None = None) -> Iterator[WalkPosition]:
        """Every image, or those after the image `after`.

        Raises:
            SetupError: an argument cannot be listed.
        """
        if self._sources.options.list_file:
            yield from self._lines(-1 if after is None else after[0])
            return
        first, last = (0, b"") if after is None else after
        for number in range(first, len(self._sources.options.roots)):
            for name in self._sources.argument(number).entries(last, self):
                yield number, name
            last = b""

    def stamps(self) -> Iterator[tuple[int, bytes, Stamp]]:
        """Every image with its stamp. Raises as `paths`."""
        if self._sources.options.list_file:
            for number, name in self._announced(self._lines(-1)):
                yield number, name, self._sources.of(name).stamp(name)
            return
        for number in range(len(self._sources.options.roots)):
            for name, stamp in self._sources.argument(number).stamps(b"", self):
                yield number, name, stamp

    def _announced(self, places: Iterator[WalkPosition]) -> Iterator[WalkPosition]:
        """The places; a source that reads ahead has the names of those that follow."""
        sources = self._sources
        if not sources.ahead:
            return places
        return announced(
            places, sources.ahead, lambda place: sources.of(place[1]).announce_stamps((place[1],))
        )

    def skip(self, reason: str) -> None:
        """Count an entry that is no row."""
        self.check()
        self.skipped = one_more(self.skipped, reason)

    def report(self, folder: bytes, why: str) -> None:
        """Count a folder that cannot be listed."""
        self.unlisted = self.unlisted.and_one(printable(folder), why)
        self._on_unlisted(folder, why)

    def _lines(self, last: int) -> Iterator[WalkPosition]:
        """The images of a list after the line `last`."""
        for number, line in numbered_paths(self._sources.options):
            if number % _CHECK_LINES == 0:
                self.check()
            if number > last:
                yield number, self._sources.row_name(line, number)
