"""The patterns among the arguments of a job, beside each other and beside folders."""

from __future__ import annotations

import os
from collections.abc import Callable

from producer.inputs.job_options import JobOptions
from producer.sources.local.reader import FileReader
from producer.sources.local.root_pattern import Part, RootPattern

#: What a path is to an argument, and whether the path is that of a folder.
PartOf = Callable[[bytes, bool], Part]


class TypedPatterns:
    """The patterns of a job that has started. Several may match the same file: it belongs to the
    first."""

    def __init__(self, options: JobOptions) -> None:
        numbers = options.pattern_roots
        self._patterns = {number: RootPattern(options.roots[number]) for number in numbers}
        #: The folder of each pattern, resolved; not needed of a single one.
        self._real: dict[int, bytes] = {}
        if len(numbers) > 1:
            files = FileReader(options.cwd)
            for number, pattern in self._patterns.items():
                self._real[number] = resolved(files.local_path(pattern.folder))

    def part_of(self, number: int) -> PartOf:
        """The part that a path has in a pattern, apart from what earlier ones cover."""
        pattern = self._patterns[number]
        earlier = [other for other in self._real if other < number]
        if not earlier:
            return pattern.part

        def part(path: bytes, is_folder: bool) -> Part:
            real = self._real[number] + path[len(pattern.folder) :]
            if any(self._covers(other, real, is_folder) for other in earlier):
                return Part.APART
            return pattern.part(path, is_folder)

        return part

    def covering(self, name: bytes) -> int | None:
        """The number of the pattern that a file belongs to."""
        numbers = (n for n, pattern in self._patterns.items() if pattern.covers(name))
        return next(numbers, None)

    def _covers(self, number: int, real: bytes, is_folder: bool) -> bool:
        pattern, folder = self._patterns[number], self._real[number]
        below = pattern.folder + real[len(folder) :]
        return real.startswith(folder) and pattern.covers(below, is_folder)


def resolved(path: bytes) -> bytes:
    """A path without links, with a slash at its end."""
    return os.path.realpath(path).rstrip(b"/") + b"/"


def may_share(pattern: RootPattern, place: bytes, path: bytes) -> bool:
    """Whether a pattern that is searched in `place` may match a file of this file or folder."""
    if place.startswith(path):
        return True
    if not path.startswith(place):
        return False
    is_folder = os.path.isdir(path)
    part = pattern.part(pattern.folder + path[len(place) : -1], is_folder)
    return part in (Part.NAMED, Part.INSIDE) or (part is Part.TOWARDS and is_folder)
