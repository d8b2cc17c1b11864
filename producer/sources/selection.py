"""Which entries of a folder, an archive or a bucket are rows."""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Callable, Collection

from producer.inputs import skipped
from producer.inputs.skipped import Counts
from producer.sources.local.directory_listing import FILE, LINK
from shared.image_formats import has_image_ending

_HIDDEN = re.compile(rb"(?:\A|/)\.(?!\.?(?:/|\Z))")


class Selection:
    """Those whose names match a pattern; without one, those with the ending of an image, and those
    without an ending that start like one."""

    def __init__(self, globs: Collection[str], below: bytes = b"") -> None:
        """A pattern without a slash is compared with the name, another one with the path below the
        typed folder, in which entries are `below`."""
        self.has_globs = bool(globs)
        self._wants = _matcher(globs, below) if globs else has_image_ending

    def why_skipped(
        self, path: bytes, kind: bytes, is_image: Callable[[], bool], counts: Counts
    ) -> str | None:
        """The reason why an entry that is not hidden is no row; None for a row, empty for an entry
        that is not counted. `is_image` says whether a file starts like an image."""
        if kind != FILE:
            reason = skipped.LINK if kind == LINK else skipped.SPECIAL
            return reason if self._wants(path) else ""
        if self._wants(path):
            return None
        ending = skipped.ending(path.rpartition(b"/")[2], counts)
        is_unnamed = ending == skipped.NO_ENDING and not self.has_globs
        return None if is_unnamed and is_image() else ending


def is_hidden(path: bytes) -> bool:
    """Whether a name in a path starts with a dot, apart from `.` and `..`."""
    return _HIDDEN.search(path) is not None


def _matcher(globs: Collection[str], below: bytes) -> Callable[[bytes], bool]:
    patterns = [os.fsencode(glob) for glob in globs]
    of_paths = _any_of([pattern for pattern in patterns if b"/" in pattern])
    of_names = _any_of([pattern for pattern in patterns if b"/" not in pattern])
    return lambda path: of_names(path.rpartition(b"/")[2]) or of_paths(below + path)


def _any_of(patterns: list[bytes]) -> Callable[[bytes], bool]:
    """Whether a text matches one of them; false of none."""
    each = [fnmatch.translate(pattern.decode("latin-1")) for pattern in patterns]
    matches = re.compile("|".join(each or ["(?!)"]).encode("latin-1")).match
    return lambda text: matches(text) is not None
