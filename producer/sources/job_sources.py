"""All sources of a job, in the order of its arguments."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from itertools import pairwise
from typing import IO

import msgspec

from producer.inputs.job_options import JobOptions
from producer.sources.folder_walk import LocalSource
from producer.sources.path_list import check_line, check_list, kinds_in_list
from producer.sources.reader import FileReader
from producer.sources.source import Source
from producer.sources.source_table import ARCHIVES_FOLDER, LOCAL, kind_of, loaded
from shared.errors import UsageError
from shared.messages.files import printable
from shared.stop import Waits, unstoppable


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
        self._waits = waits or unstoppable()
        self._local = LocalSource(self.options, self._waits)
        #: Those of other kinds that are used so far, by the number of their argument or kind.
        self._others: dict[int, Source] = {}
        self._last: Source = self._local
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
        if self.options.list_file or not self.has_others:
            return frozenset()
        numbers = range(len(self.options.roots))
        return frozenset(number for number in numbers if not self.argument(number).is_sorted)

    def own_order(self, name: bytes) -> bytes:
        """The start of all names that have an order of their own among each other, as this one has;
        empty if it is in byte order."""
        return self.of(name).own_order(name) if self.has_others else b""

    @property
    def first_without_files(self) -> bytes:
        """The first argument, or the list, as it was given, with images that are in no files of
        their own; empty if there is none."""
        options = self.options
        if options.list_file and self.has_others:
            return options.list_file
        pairs = zip(options.roots, options.kinds, strict=False)
        return next((root for root, kind in pairs if kind != LOCAL), b"")

    @property
    def local(self) -> LocalSource:
        """What reads files, also of other paths than those of the job."""
        return self._local

    def local_arguments(self) -> Iterator[LocalSource]:
        """Folders and files, also folders that hold archives."""
        for number in range(len(self.options.roots)):
            kind = self.options.kinds[number] if self.options.kinds else LOCAL
            if kind in (LOCAL, ARCHIVES_FOLDER):
                yield LocalSource(self.options, self._waits, number)

    def arguments(self) -> Iterator[Source]:
        """The source of each argument. Raises as `argument`."""
        return map(self.argument, range(len(self.options.roots)))

    def argument(self, number: int) -> Source:
        """The source of an argument. Raises SetupError if its kind needs what is not installed."""
        kinds = self.options.kinds
        if kinds and kinds[number] != LOCAL:
            return self._other(number, self.options.roots[number])
        return LocalSource(self.options, self._waits, number)

    def of(self, name: bytes) -> Source:
        """The source of an image. Raises as `argument`."""
        last = self._last
        if not self.has_others or (last is not self._local and last.holds(name)):
            return last
        self._last = next((other for other in self._all_others() if other.holds(name)), self._local)
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
        return max((other.ahead for other in self._all_others()), default=0)

    def announce(self, names: Iterable[bytes]) -> None:
        """Announce images that are read next to their sources, as far as these read ahead."""
        if self.has_others:
            for name in names:
                self.of(name).announce((name,))

    def row_name(self, line: bytes, number: int) -> bytes:
        """The name of the image that a line of a list names. Raises UsageError for an address that
        was added to the list of a job that reads none."""
        check_line(line, self.options)
        return self.of(line).row_name(line, number) if self.has_others else line

    def wait_as(self, waits: Waits) -> None:
        """Let these end the waits that follow."""
        self.close()
        self._waits = waits

    def close(self) -> None:
        """Release what is open. They may be used again."""
        for source in self._others.values():
            source.close()
        self._others.clear()
        self._last = self._local

    @cached_property
    def _typed(self) -> Mapping[bytes, int]:
        return {root.rstrip(b"/"): number for number, root in enumerate(self.options.roots)}

    def _all_others(self) -> Iterator[Source]:
        for number, kind in enumerate(self.options.kinds):
            if kind != LOCAL:
                in_list = self.options.list_file
                yield self._other(number, b"" if in_list else self.options.roots[number])

    def _other(self, number: int, typed: bytes) -> Source:
        if number not in self._others:
            load = loaded(self.options.kinds[number])
            self._others[number] = load(typed, self.options, self._waits)
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
    it has started."""
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
        if kind == LOCAL and os.path.isfile(path):
            files.append(number)
    return msgspec.structs.replace(
        options,
        file_roots=tuple(files),
        kinds=kinds_in_list(options) if options.list_file else tuple(kinds) if any(kinds) else (),
    )
