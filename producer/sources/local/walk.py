"""The walk: every image under some folders, in path order, in constant memory.

Arguments are walked as typed; within each, files come in byte order of their full path. Only the
names of one directory at each depth are held. Skipped entries are counted in the same order, so a
walk that resumes after a file counts exactly the entries after it.
"""

from __future__ import annotations

import errno
import fnmatch
import os
import re
import stat
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from itertools import pairwise

from producer.inputs import skipped
from producer.inputs.job_options import JobOptions, as_started
from producer.inputs.root_pattern import Part
from producer.inputs.skipped import Counts
from producer.sources.lists.path_list import check_list, numbered_paths
from producer.sources.local.directory_listing import FILE, FOLDER, LINK, ListedEntry, listing
from producer.sources.local.own_files import OwnFiles
from producer.sources.local.reader import holds_image
from producer.sources.local.typed_patterns import (
    EarlierPatterns,
    PartOf,
    may_share,
    patterns_of,
    resolved,
)
from producer.sources.other_sources import check_source
from shared.errors import SetupError, UsageError
from shared.image_formats import has_image_ending
from shared.messages.files import printable

_GONE = {errno.ENOENT, errno.ENOTDIR}
_REMEDY = "fix this and run the same command again; a started job resumes"


#: Lines of a list between two checks.
_CHECK_LINES = 1 << 12


class Walk:
    """One pass over a job's files. `skipped` counts skipped entries by reason; `report` is called
    for each folder below a root that cannot be listed, with the reason; `check` again and again
    while no file is found, and may raise what ends the walk."""

    def __init__(
        self,
        options: JobOptions,
        report: Callable[[bytes, str], None] = lambda folder, why: None,
        before: Counts | None = None,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        """`before` are the counts of earlier passes, up to the start of this one."""
        self._options, self._report, self._check = options, report, check
        # Which arguments are files is known before the walk: a folder that vanishes during it, like
        # that of an unplugged disk, is an error, and no file that is missing.
        known = as_started(options) if options.file_roots is None else options
        self._file_roots = frozenset(known.file_roots or ())
        self._patterns = patterns_of(known)
        self._earlier = EarlierPatterns(known, self._patterns)
        self._wanted, self._own = _matcher(options.globs), OwnFiles(options.output)
        self.skipped: Counts = before or {}  #: replaced by each count, never changed
        self._below = 0  # length of the typed folder in a path

    def paths(self, after: tuple[int, bytes] | None = None) -> Iterator[tuple[int, bytes]]:
        """(argument number, path as typed) of every file, or of those after the file `after`.

        Raises:
            SetupError: a folder that was typed cannot be listed.
        """
        if self._options.list_file:
            last_number = -1 if after is None else after[0]
            for number, path in numbered_paths(self._options):
                if number % _CHECK_LINES == 0:
                    self._check()
                if number > last_number:
                    yield number, path
            return
        for number, root in enumerate(self._options.roots):
            if after is not None and number < after[0]:
                continue
            last = after[1] if after is not None and number == after[0] else b""
            if number not in self._file_roots:
                for path in self._root(number, root, last):
                    yield number, path
            elif root > last:  # a file on the command line is a row with any ending
                yield number, root

    def _root(self, number: int, root: bytes, after: bytes) -> Iterator[bytes]:
        pattern = self._patterns.get(number)
        prefix = pattern.folder if pattern else root.rstrip(b"/") + b"/"
        self._below = len(prefix)
        with _listing(root):
            entries = listing(self._options.absolute(prefix), self._check)
        part_of = _whole if pattern is None else self._earlier.without(number, pattern)
        yield from self._within(prefix, entries, after, part_of)

    def _entries(self, folder: bytes) -> Iterator[ListedEntry] | None:
        """The entries of a folder below a root; None if it cannot be listed."""
        try:
            return listing(self._options.absolute(folder), self._check)
        except OSError as error:
            if error.errno in _GONE:
                self._skip(skipped.VANISHED)
            else:
                self._skip(skipped.UNREADABLE)
                self._report(folder, error.strerror or str(error))
            return None

    def _within(
        self,
        prefix: bytes,
        entries: Iterator[ListedEntry],
        after: bytes,
        part_of: PartOf,
    ) -> Iterator[bytes]:
        # Not recursive: folders may be nested deeper than calls.
        open_folders = [(prefix, entries)]
        while open_folders:
            prefix, entries = open_folders[-1]
            for name, kind in entries:
                path = prefix + name
                part = part_of(path.rstrip(b"/"), kind == FOLDER)
                if kind == FOLDER and _is_walked(name, part):
                    below = self._entries(path[:-1]) if path >= after[: len(path)] else None
                    if below is not None:
                        open_folders.append((path, below))
                        break
                elif path > after and part in (Part.NAMED, Part.INSIDE):
                    why = self._why_skipped(name, kind, path, part is Part.NAMED)
                    if why is None:
                        yield path
                    elif why:
                        self._skip(why)
            else:
                open_folders.pop()

    def _why_skipped(self, name: bytes, kind: bytes, path: bytes, named: bool) -> str | None:
        """The reason why an entry is no row; None for a row, empty for an uncounted entry. One that
        a pattern on the command line names is a row with any ending, as a file there is."""
        if name.startswith(b".") and not named:
            return skipped.HIDDEN
        wanted = named or self._wanted(path[self._below :])
        # Without a glob no own file is wanted: most images need no further check.
        if (not wanted or named or self._options.glob) and self._is_own(name, path):
            return ""
        if kind == LINK:  # a link to a folder is counted, since the folder may have images
            return skipped.LINK if wanted or os.path.isdir(self._options.absolute(path)) else ""
        if kind != FILE:
            return skipped.SPECIAL if wanted else ""
        if wanted:
            return None
        ending = skipped.ending(name, self.skipped)
        unnamed = ending == skipped.NO_ENDING and not self._options.glob
        return None if unnamed and holds_image(self._options.absolute(path)) else ending

    def _is_own(self, name: bytes, path: bytes) -> bool:
        return self._own.may_hold(name) and self._own.lies_beside(self._options.absolute(path))

    def _skip(self, reason: str) -> None:
        self._check()
        self.skipped = skipped.one_more(self.skipped, reason)


def _whole(path: bytes, is_folder: bool) -> Part:
    """Everything below a folder that was typed belongs to it."""
    return Part.INSIDE


def _is_walked(name: bytes, part: Part) -> bool:
    """Whether a folder is walked: no hidden one, unless a pattern names it."""
    return part is not Part.APART and (part is not Part.INSIDE or not name.startswith(b"."))


def check_roots(options: JobOptions) -> None:
    """Check the arguments before work starts. A file of a started job may be missing.

    Raises:
        UsageError: an argument does not exist, is special, an address or an archive, or is or lies
            within another; or a list
            cannot be read, or is not one path a line.
        SetupError: an argument cannot be reached, also a missing folder of a started job; or a
            folder cannot be listed.
    """
    has_started, files = options.file_roots is not None, frozenset(options.file_roots or ())
    if not has_started:
        for path in options.roots:
            check_source(path, options.absolute(path))
    known = options if has_started else as_started(options)
    for number, path in enumerate(options.roots):
        try:
            _check_kind(known.place(number), path)
        except OSError as error:
            gone = error.errno in _GONE
            if not (gone and number in files):
                raise _no_access(path, error, is_typo=gone and not has_started) from None
    if options.list_file and not (options.is_piped and not options.list_suffix):
        check_list(options)
    _check_apart(known)


def _check_apart(options: JobOptions) -> None:
    """Check neighbours in path order: all paths within a folder follow it."""
    typed = [i for i in range(len(options.roots)) if i not in options.pattern_roots]
    paths = sorted((resolved(options.place(i)), i) for i in typed)
    for (folder, j), (path, i) in pairwise(paths):
        if path.startswith(folder):
            how = "is the same as" if path == folder else "lies within"
            raise _named_twice(options, i, how, j)
    for j, pattern in patterns_of(options).items():
        place = resolved(options.place(j))
        for path, i in paths:
            if may_share(pattern, place, path):
                raise _named_twice(options, i, "has files of", j)


def _named_twice(options: JobOptions, number: int, how: str, other: int) -> UsageError:
    first, second = printable(options.roots[number]), printable(options.roots[other])
    return UsageError(f"{first} {how} {second}; name each image once")


def _check_kind(real: bytes, typed: bytes) -> None:
    """Raises OSError for a path that cannot be reached, UsageError for a special file, and what
    `_listing` raises for a folder that cannot be read."""
    if not typed:  # `real` would be the job's folder
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    mode = os.stat(real).st_mode
    if not (stat.S_ISDIR(mode) or stat.S_ISREG(mode)):
        raise UsageError(f"{printable(typed)} is neither a folder nor a file; name one of these")
    if stat.S_ISDIR(mode):
        with _listing(typed):
            os.scandir(real).close()


def _no_access(typed: bytes, error: OSError, is_typo: bool) -> SetupError:
    what = f"{printable(typed)}: {error.strerror}"
    return UsageError(f"{what}; check the path") if is_typo else SetupError(f"{what}; {_REMEDY}")


@contextmanager
def _listing(root: bytes) -> Iterator[None]:
    """Raise SetupError for an OSError: a job cannot start without a folder that was typed."""
    try:
        yield
    except OSError as error:
        raise SetupError(
            f"{printable(root)} cannot be listed ({error.strerror}); {_REMEDY}"
        ) from error


def _matcher(globs: Collection[str]) -> Callable[[bytes], bool]:
    """A predicate on a path relative to the typed folder. A pattern without a slash is compared
    with the name alone."""
    if not globs:
        return has_image_ending
    patterns = [os.fsencode(glob) for glob in globs]
    of_paths = _any_of([pattern for pattern in patterns if b"/" in pattern])
    of_names = _any_of([pattern for pattern in patterns if b"/" not in pattern])
    return lambda path: of_names(path.rpartition(b"/")[2]) or of_paths(path)


def _any_of(patterns: list[bytes]) -> Callable[[bytes], bool]:
    """Whether a text matches one of them; false of none."""
    each = [fnmatch.translate(pattern.decode("latin-1")) for pattern in patterns]
    matches = re.compile("|".join(each or ["(?!)"]).encode("latin-1")).match
    return lambda text: matches(text) is not None
