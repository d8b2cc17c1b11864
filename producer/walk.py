"""The walk: every picture under some folders, in path order, while memory stays flat.

Arguments come as typed; within each, files come in the order of the bytes of their full path.
Only the names of one directory at each depth are held.
"""

from __future__ import annotations

import errno
import fnmatch
import os
import stat
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from producer.options import JobOptions
from shared.errors import SetupError, UsageError
from shared.suffixes import IMAGE_SUFFIXES

_BLOCK_BYTES = 1 << 20
#: Why something in a folder is no row. Files without an image's ending are not counted.
HIDDEN, LINK, SPECIAL = "hidden", "links", "special files"
UNREADABLE, VANISHED = "unreadable folders", "vanished folders"
_GONE = {errno.ENOENT, errno.ENOTDIR}


Entries = list[tuple[bytes, os.DirEntry[bytes]]]


class Walk:
    """One pass over a job's files. `skipped` counts what was passed over, by reason; each folder
    below a root that cannot be listed is told, with the reason."""

    def __init__(
        self, options: JobOptions, tell: Callable[[bytes, str], None] = lambda folder, why: None
    ) -> None:
        self._options, self._tell = options, tell
        self._wanted = _matcher(options.glob)
        self.skipped: Counter[str] = Counter()
        self._below = 0  # how much of a path is the folder that was typed

    def paths(self, after: tuple[int, bytes] | None = None) -> Iterator[tuple[int, bytes]]:
        """(argument number, path as typed) of every file, or of those after one of them.

        Raises:
            SetupError: a folder that was typed cannot be listed.
        """
        if self._options.list_file:
            yield from self._listed(-1 if after is None else after[0])
            return
        for number, root in enumerate(self._options.roots):
            if after is not None and number < after[0]:
                continue
            last = after[1] if after is not None and number == after[0] else b""
            for path in self._root(root, last):
                yield number, path

    def _root(self, root: bytes, after: bytes) -> Iterator[bytes]:
        if self._is_folder(root):
            folder = root.rstrip(b"/")
            self._below = len(folder) + 1
            with _listing(root):
                entries = self._entries(folder)
            yield from self._within(folder, entries, after)
        elif root > after:  # a file named by hand is a row whatever its ending
            yield root

    def _is_folder(self, root: bytes) -> bool:
        with _listing(root):
            try:
                return stat.S_ISDIR(os.stat(self._real(root)).st_mode)
            except OSError as error:
                if error.errno in _GONE:
                    return False
                raise

    def _folder(self, folder: bytes, after: bytes) -> Iterator[bytes]:
        try:
            entries = self._entries(folder)
        except OSError as error:
            if error.errno in _GONE:
                self.skipped[VANISHED] += 1
            else:
                self.skipped[UNREADABLE] += 1
                self._tell(folder, error.strerror or str(error))
            return
        yield from self._within(folder, entries, after)

    def _within(self, folder: bytes, entries: Entries, after: bytes) -> Iterator[bytes]:
        for key, entry in entries:
            path = folder + b"/" + key
            if key.endswith(b"/"):
                if path >= after[: len(path)]:
                    yield from self._folder(path[:-1], after)
            elif path > after and self._is_row(entry, path):
                yield path

    def _entries(self, folder: bytes) -> Entries:
        """The entries, sorted; a directory's name ends in "/", so that full paths are in order.

        Raises OSError.
        """
        with os.scandir(self._real(folder or b"/")) as entries:
            named = [(_sort_key(entry), entry) for entry in entries]
        shown = [pair for pair in named if not pair[0].startswith(b".")]
        self.skipped[HIDDEN] += len(named) - len(shown)
        shown.sort(key=lambda pair: pair[0])
        return shown

    def _is_row(self, entry: os.DirEntry[bytes], path: bytes) -> bool:
        if entry.is_symlink():
            # A link to a folder is counted for what may be in it.
            self.skipped[LINK] += self._wanted(path[self._below :]) or os.path.isdir(entry.path)
            return False
        if not self._wanted(path[self._below :]):
            return False
        if not entry.is_file(follow_symlinks=False):
            self.skipped[SPECIAL] += 1
            return False
        return True

    def _listed(self, after: int) -> Iterator[tuple[int, bytes]]:
        with open(self._real(self._options.list_file), "rb") as lines:
            for number, line in enumerate(lines):
                path = line.rstrip(b"\r\n")
                if path and number > after:
                    yield number, path

    def _real(self, path: bytes) -> bytes:
        return os.path.join(self._options.cwd, path)


def check_roots(options: JobOptions) -> None:
    """Find what is wrong with the arguments before work starts.

    Raises:
        UsageError: an argument does not exist, is special, or is or lies within another; or a list
            cannot be read, or is not one path a line.
        SetupError: a folder cannot be listed.
    """
    for path in options.roots:
        _check_exists(os.path.join(options.cwd, path), path)
    if options.list_file:
        _check_list(os.path.join(options.cwd, options.list_file), options.list_file)
    real = [os.path.realpath(os.path.join(options.cwd, root)) for root in options.roots]
    for i, one in enumerate(real):
        for j, other in enumerate(real):
            if i != j and (one == other or one.startswith(other.rstrip(b"/") + b"/")):
                how = "is the same as" if one == other else "lies within"
                raise UsageError(
                    f"{shown(options.roots[i])} {how} {shown(options.roots[j])}; "
                    "name each picture once"
                )


def _check_exists(real: bytes, typed: bytes) -> None:
    try:
        mode = os.stat(real if typed else b"").st_mode
    except OSError as error:
        raise UsageError(f"{shown(typed)}: {error.strerror}; check the path") from None
    if not (stat.S_ISDIR(mode) or stat.S_ISREG(mode)):
        raise UsageError(f"{shown(typed)} is neither a folder nor a file; name one")
    if stat.S_ISDIR(mode):
        with _listing(typed):
            os.scandir(real).close()


@contextmanager
def _listing(root: bytes) -> Iterator[None]:
    """Without a folder that was typed there is no job: what goes wrong is one line."""
    try:
        yield
    except OSError as error:
        raise SetupError(
            f"{shown(root)} cannot be listed ({error.strerror}); "
            "mend that first; a job that was begun goes on then"
        ) from error


def _check_list(real: bytes, typed: bytes) -> None:
    try:
        if not stat.S_ISREG(os.stat(real).st_mode):  # it is read more than once
            raise UsageError(f"{shown(typed)} is no regular file; save the list as one")
        with open(real, "rb") as file:
            while block := file.read(_BLOCK_BYTES):
                if b"\0" in block:
                    raise UsageError(f"{shown(typed)} holds NUL bytes; give one path a line")
    except OSError as error:
        raise UsageError(f"{shown(typed)}: {error.strerror}; check the path") from None


def _sort_key(entry: os.DirEntry[bytes]) -> bytes:
    is_folder = entry.is_dir(follow_symlinks=False)
    return entry.name + b"/" if is_folder else entry.name


def _matcher(glob: str) -> Callable[[bytes], bool]:
    """Judges a path below the folder that was typed."""
    if not glob:
        return lambda path: path.lower().endswith(IMAGE_SUFFIXES)
    pattern = os.fsencode(glob)
    if b"/" in pattern:
        return lambda path: fnmatch.fnmatchcase(path, pattern)
    return lambda path: fnmatch.fnmatchcase(path.rpartition(b"/")[2], pattern)


def shown(path: bytes) -> str:
    """A path for a person: one line, whatever its bytes."""
    text = path.decode(errors="backslashreplace")
    return text if text.isprintable() and text else ascii(text)
