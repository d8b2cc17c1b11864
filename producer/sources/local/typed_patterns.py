"""The patterns among the arguments of a job, beside each other and beside folders."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

from producer.inputs.job_options import JobOptions
from producer.inputs.root_pattern import Part, RootPattern

#: What a path is to an argument, and whether the path is that of a folder.
PartOf = Callable[[bytes, bool], Part]


def patterns_of(options: JobOptions) -> dict[int, RootPattern]:
    """The patterns among the arguments of a job that has started, by their numbers."""
    return {number: RootPattern(options.roots[number]) for number in options.pattern_roots}


class EarlierPatterns:
    """Several patterns of one job, which may match the same file: it belongs to the first."""

    def __init__(self, options: JobOptions, patterns: Mapping[int, RootPattern]) -> None:
        self._patterns = patterns
        #: The folder of each pattern, resolved; not needed of a single one.
        self._real = (
            {number: resolved(options.place(number)) for number in patterns}
            if len(patterns) > 1
            else {}
        )

    def without(self, number: int, pattern: RootPattern) -> PartOf:
        """The part that a path has in this pattern, apart from what earlier ones cover."""
        earlier = [other for other in self._real if other < number]
        if not earlier:
            return pattern.part

        def part(path: bytes, is_folder: bool) -> Part:
            real = self._real[number] + path[len(pattern.folder) :]
            if any(self._covers(other, real, is_folder) for other in earlier):
                return Part.APART
            return pattern.part(path, is_folder)

        return part

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
