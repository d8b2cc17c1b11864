"""An argument that is a pattern, as a shell expands it, for example `photos/2024-*/*.jpg`.

`*`, `?` and `[...]` match within one name and no leading dot; `**` matches any number of folders. A
matching file is a row with any ending; of a matching folder the images are.
"""

from __future__ import annotations

import enum
import fnmatch
import re
from collections.abc import Callable, Iterable
from functools import lru_cache

_MAGIC = re.compile(rb"[*?[]")
_ANY_FOLDERS = b"**"
#: Folders whose state is known: a walk comes back to those above the one that it is in.
_FOLDERS_MAX = 1 << 10
#: The position of what lies in a folder that matches.
_INSIDE = -1
_Positions = frozenset[int]


class Part(enum.Enum):
    """What a path below the folder of a pattern is to it."""

    NAMED = enum.auto()  #: it matches
    INSIDE = enum.auto()  #: it lies in a folder that matches
    TOWARDS = enum.auto()  #: a folder of this path may have files that match
    APART = enum.auto()


def has_magic(typed: bytes) -> bool:
    """Whether an argument is a pattern, unless there is a file of this name."""
    return _MAGIC.search(typed) is not None


def folder_of(typed: bytes) -> bytes:
    """What comes before the first name with a pattern, with its slash: `photos/` of
    `photos/*.jpg`; empty is the current folder."""
    first, *_ = _MAGIC.split(typed, maxsplit=1)
    return first[: first.rfind(b"/") + 1]


class RootPattern:
    """One such argument. Paths are as a walk of its folder has them: they start with `folder`."""

    def __init__(self, typed: bytes) -> None:
        self.folder = folder_of(typed)
        names = [name for name in typed[len(self.folder) :].split(b"/") if name]
        self._names = [None if name == _ANY_FOLDERS else _matcher(name) for name in names]
        self._of_folders = typed.endswith(b"/")
        self._start = self._closed({0})
        self._positions = lru_cache(_FOLDERS_MAX)(self._positions_of)

    def part(self, path: bytes, is_folder: bool = False) -> Part:
        """What a file or folder is to the pattern, which with a slash at its end matches folders
        only."""
        if not path.startswith(self.folder):
            return Part.APART
        folder, _, name = path[len(self.folder) :].rpartition(b"/")
        before = self._positions(folder)
        if _INSIDE in before:
            return Part.INSIDE
        after = self._step(before, name)
        if len(self._names) in after and (is_folder or not self._of_folders):
            return Part.NAMED
        return Part.TOWARDS if after else Part.APART

    def covers(self, path: bytes, is_folder: bool = False) -> bool:
        """Whether a file or folder is one of the pattern's, or in one of its folders."""
        return self.part(path, is_folder) in (Part.NAMED, Part.INSIDE)

    def _positions_of(self, folder: bytes) -> _Positions:
        """Where in the pattern a folder below its own is; empty: nowhere."""
        positions = self._start
        for name in folder.split(b"/") if folder else ():
            positions = self._step(positions, name)
            if len(self._names) in positions:
                return frozenset({_INSIDE})
        return positions

    def _step(self, before: _Positions, name: bytes) -> _Positions:
        after = set[int]()
        for position in before:
            matches = self._names[position] if position < len(self._names) else _nothing
            if matches is None:
                after |= set() if name.startswith(b".") else {position}
            elif matches(name):
                after.add(position + 1)
        return self._closed(after)

    def _closed(self, positions: Iterable[int]) -> _Positions:
        """The positions, and those after a `**`, which may match no folder."""
        every = set(positions)
        for position, matches in enumerate(self._names):
            if position in every and matches is None:
                every.add(position + 1)
        return frozenset(every)


def _matcher(pattern: bytes) -> Callable[[bytes], bool]:
    matches = re.compile(fnmatch.translate(pattern.decode("latin-1")).encode("latin-1")).match
    if pattern.startswith(b"."):
        return lambda name: matches(name) is not None
    return lambda name: not name.startswith(b".") and matches(name) is not None


def _nothing(name: bytes) -> bool:
    return False
