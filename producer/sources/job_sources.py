"""All sources of a job, in the order of its arguments, and the walk: every image, in order, in
constant memory.

Within an argument names come in the order of its source. Skipped entries are counted in the same
order, so a walk that resumes after an image counts exactly the entries after it.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from itertools import pairwise
from typing import IO, TypeVar

import msgspec

from producer.job.job_options import JobOptions
from producer.job.skipped import Counts, Unlisted, one_more
from producer.sources.folder_walk import LocalSource
from producer.sources.lists import check_line, check_list, kinds_in_list, numbered_paths
from producer.sources.reader import FileReader
from producer.sources.remote.address import shown_address
from producer.sources.source import (
    ARCHIVES_FOLDER,
    LOCAL,
    Source,
    is_address,
    is_archive,
    kind_of,
    loaded,
)
from shared.errors import UsageError
from shared.messages.files import Stamp, printable
from shared.stop import Waits, unstoppable

T = TypeVar("T")
#: Lines of a list between two checks.
_CHECK_LINES = 1 << 12


class JobSources:
    """Where the images of a job are: found by the number of an argument, or by the name of one.

    Which arguments are files, archives and addresses is known before any is read: a folder that
    vanishes, like that of an unplugged disk, is an error, and no missing file."""

    def __init__(
        self,
        options: JobOptions,
        waits: Waits | None = None,
        listed: IO[bytes] | None = None,
    ) -> None:
        """Nothing is opened yet. `listed` is the job's list, if its record lacks the secrets of
        addresses."""
        self._listed = listed
        self._is_new = options.file_roots is None
        self.options = as_started(options)
        self.waits = waits or unstoppable()
        #: What reads files, also of other paths than those of the job.
        self.local = LocalSource(self.options, self.waits)
        #: Those of other kinds that are used so far, by the number of their argument or kind.
        self._others: dict[int, Source] = {}
        self._last: Source = self.local
        #: Whether any has images elsewhere than in files of their own.
        self.has_others = any(self.options.kinds)

    def check(self) -> None:
        """Check the arguments before work starts. A file of a started job may be missing.

        Raises:
            UsageError: an argument does not exist, is special, an address or an archive that
                nothing reads, or is or lies within another; or a list cannot be read, or is not one
                path a line.
            SetupError: an argument cannot be reached, also a missing folder of a started job; a
                folder cannot be listed; or a package is missing.
        """
        arguments = list(self.arguments())
        for argument in arguments:
            argument.check(self._is_new)
        if self.options.list_file and not (self.options.is_piped and not self.options.list_suffix):
            check_list(self.options, self._is_new)
        _check_apart(self.local_arguments())  # an archive may lie beside its folder's other files
        _check_apart(each for each in arguments if not isinstance(each, LocalSource))

    @cached_property
    def one_pass(self) -> frozenset[int]:
        """The numbers of the arguments whose names are not to be found ahead of their bytes."""
        arguments = enumerate(self.arguments())
        return frozenset(number for number, argument in arguments if not argument.is_sorted)

    def own_order(self, name: bytes) -> bytes:
        """The start of all names that have an order of their own among each other, as this one has;
        empty if it is in byte order."""
        return self.source_of(name).own_order(name) if self.has_others else b""

    @property
    def first_without_files(self) -> bytes:
        """The first argument, or the list, as it was given, with images that are in no files of
        their own; empty if there is none."""
        kinds = self.options.kinds
        given = self.options.roots or (self.options.list_file,) * len(kinds)
        return next((each for each, kind in zip(given, kinds, strict=False) if kind != LOCAL), b"")

    def local_arguments(self) -> Iterator[LocalSource]:
        """Folders and files, also folders that hold archives."""
        for number in range(len(self.options.roots)):
            kind = self.options.kinds[number] if self.options.kinds else LOCAL
            if kind in (LOCAL, ARCHIVES_FOLDER):
                yield LocalSource(self.options, self.waits, number)

    def arguments(self) -> Iterator[Source]:
        """The source of each argument. Raises as `argument`."""
        return map(self.argument, range(len(self.options.roots)))

    def argument(self, number: int) -> Source:
        """The source of an argument. Raises SetupError if its kind needs what is not installed."""
        kinds = self.options.kinds
        if kinds and kinds[number] != LOCAL:
            return self._opened_source(number, self.options.roots[number])
        return LocalSource(self.options, self.waits, number)

    def source_of(self, name: bytes) -> Source:
        """The source of an image. Raises as `argument`."""
        if self.has_others and (self._last is self.local or not self._last.holds(name)):
            others = (other for other in self._other_sources() if other.holds(name))
            self._last = next(others, self.local)
        return self._last

    def number_of(self, name: bytes) -> int:
        """The number of the argument that an image belongs to: of the longest one that is its name
        or a folder above it.

        A walk follows neither ".." nor links, so a shorter argument does not lead to it.
        """
        above = name
        while above and above not in self._typed:
            above = above.rpartition(b"/")[0]
        return self._typed.get(above, 0)

    @property
    def ahead(self) -> int:
        """The number of names that a source is to have before they are read."""
        return max((other.ahead for other in self._other_sources()), default=0)

    def announce(self, names: Iterable[bytes]) -> None:
        """Announce images that are read next to their sources, as far as these read ahead."""
        if self.has_others:
            for name in names:
                self.source_of(name).announce((name,))

    def row_name(self, line: bytes, number: int) -> bytes:
        """The name of the image that a line of a list names. Raises UsageError for an address that
        was added to the list of a job that reads none."""
        check_line(line, self.options)
        return self.source_of(line).row_name(line, number) if self.has_others else line

    def wait_as(self, waits: Waits) -> None:
        """Let these end the waits that follow."""
        self.close()
        self.waits = waits

    def close(self) -> None:
        """Release what is open. They may be used again."""
        for source in self._others.values():
            source.close()
        self._others.clear()
        self._last = self.local

    @cached_property
    def _typed(self) -> Mapping[bytes, int]:
        return {root.rstrip(b"/"): number for number, root in enumerate(self.options.roots)}

    def _other_sources(self) -> Iterator[Source]:
        for number, kind in enumerate(self.options.kinds):
            if kind != LOCAL:
                in_list = self.options.list_file
                yield self._opened_source(number, b"" if in_list else self.options.roots[number])

    def _opened_source(self, number: int, typed: bytes) -> Source:
        if number not in self._others:
            load = loaded(self.options.kinds[number])
            self._others[number] = load(typed, self.options, self.waits)
            self._others[number].listed = self._listed
        return self._others[number]


def _check_apart(sources: Iterable[Source]) -> None:
    """Check neighbours in the order of places: all within one follow it. Raises UsageError if two
    have the same images."""
    placed = sorted(((each.identity, each) for each in sources), key=lambda pair: pair[0])
    for (outer, first), (inner, second) in pairwise(placed):
        if inner.startswith(outer):
            how = "is the same as" if inner == outer else "lies within"
            raise UsageError(
                f"{printable(second.typed)} {how} {printable(first.typed)}; name each image once"
            )


def as_started(options: JobOptions) -> JobOptions:
    """The options of a job that starts now, which name the kinds of its arguments; the same ones if
    it has started. Raises UsageError for archives at an address."""
    if options.file_roots is not None:
        return options
    files, kinds = list[int](), list[str]()
    reader = FileReader(options.cwd)
    for number, root in enumerate(options.roots):
        path = reader.local_path(root)
        if os.path.isdir(path):
            kinds.append(ARCHIVES_FOLDER if options.archives else LOCAL)
            continue
        kinds.append(kind := kind_of(root, path))
        if is_address(root, path) and (options.archives or is_archive(root)):
            raise UsageError(
                f"{shown_address(root)}: archives are not opened at an address; copy them into a "
                "folder and classify that"
            )
        if kind == LOCAL and os.path.isfile(path):
            files.append(number)
    return msgspec.structs.replace(
        options,
        file_roots=tuple(files),
        kinds=kinds_in_list(options) if options.list_file else tuple(kinds) if any(kinds) else (),
    )


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
        unlisted: Unlisted = Unlisted(),  # noqa: B008  it is frozen
    ) -> None:
        """`skipped` and `unlisted` are what earlier passes have passed over, up to the start of
        this one. `on_unlisted` is called for each folder below an argument that cannot be listed,
        with the reason. The waits of the sources may end the walk while no image is found."""
        self._sources, self._on_unlisted = sources, on_unlisted
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
            for number, name in self._announced_lines():
                yield number, name, self._sources.source_of(name).stamp(name)
            return
        for number in range(len(self._sources.options.roots)):
            for name, stamp in self._sources.argument(number).stamps(b"", self):
                yield number, name, stamp

    def _announced_lines(self) -> Iterator[WalkPosition]:
        """The images of a list; a source that reads ahead has the names of those that follow."""
        sources, places = self._sources, self._lines(-1)
        if ahead := sources.ahead:
            places = announced(
                places,
                ahead,
                lambda place: sources.source_of(place[1]).announce((place[1],), stamps=True),
            )
        return places

    def check(self) -> None:
        """Raises Stopped if the walk is to end."""
        self._sources.waits.check()

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
