"""Files of this machine: one, or every image below a folder, in path order, in constant memory.

Files come in byte order of their full path. Only the names of one directory at each depth are held.
"""

from __future__ import annotations

import errno
import fnmatch
import heapq
import os
import re
import stat
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING

from producer.job import skipped
from producer.job.job_options import JobOptions
from producer.job.skipped import Counts
from producer.sources.reader import GONE, FileReader, resolved
from producer.sources.remote.address import address_line, shown_address
from producer.sources.source import Source, is_address, is_archive
from shared.errors import SetupError, UsageError
from shared.image_formats import has_image_ending
from shared.messages.files import printable
from shared.stop import Waits

if TYPE_CHECKING:
    from producer.sources.job_sources import Walk


#: The kind of an entry. A folder's name ends in "/", so that full paths are sorted.
FOLDER, FILE, LINK, SPECIAL = b"d", b"f", b"l", b"s"
#: A file that is walked like a folder, with a slash at its end, too.
ARCHIVE = b"a"
#: The number of names held as objects. A larger directory is held as runs of packed names.
RUN_NAMES = 1 << 14
#: Ends a name; sorts before every character of a name.
END = b"\0"
_TAIL = len(END + FILE)

ListedEntry = tuple[bytes, bytes]  # name, kind
#: The ends of their names after that of the table. The journal with its log and the files of
#: SQLite (producer/job/journal.py); the rows so far (producer/table/output_path.py) and a
#: person's labels (shared/labels/labels_file.py), each also with its draft; what
#: version 0.2.0 has sorted (TABLE.sorted).
_ENDINGS = rb"(\.hangtag.*|\.(part|sorted|corrections\.jsonl)(\.part|\.hangtag-draft)?)?"
_HIDDEN = re.compile(rb"(?:\A|/)\.(?!\.?(?:/|\Z))")
#: An address that lacks a slash.
_ONE_SLASH = re.compile(rb"(s3|https?|gs):/(?!/)", re.IGNORECASE)
_PATTERN = re.compile(rb"[*?[]")
_UNREAD_ARCHIVES = (b".tbz2", b".txz", b".tar.bz2", b".tar.xz", b".tar.zst", b".7z", b".rar")
REMEDY = "fix this and run the same command again; a started job resumes"


def listing(
    folder: bytes,
    check: Callable[[], None] = lambda: None,
    is_archive: Callable[[bytes], bool] | None = None,
) -> Iterator[ListedEntry]:
    """Every entry, in byte order of the full paths. Raises OSError before the first entry. `check`
    is called again and again, and may raise what ends it. `is_archive` chooses files by name."""
    check()
    with os.scandir(folder) as entries:
        records: Iterator[bytes] = map(_record, entries)
        if is_archive is not None:
            records = (_or_archive(record, is_archive) for record in records)
        records = _sorted(records, check)
    return ((record[:-_TAIL], record[-1:]) for record in records)


def _record(entry: os.DirEntry[bytes]) -> bytes:
    if entry.is_symlink():
        return entry.name + END + LINK
    if entry.is_dir(follow_symlinks=False):
        return entry.name + b"/" + END + FOLDER
    return entry.name + END + (FILE if entry.is_file(follow_symlinks=False) else SPECIAL)


def _or_archive(record: bytes, is_archive: Callable[[bytes], bool]) -> bytes:
    name = record[:-_TAIL]
    chosen = record.endswith(END + FILE) and is_archive(name)
    return name + b"/" + END + ARCHIVE if chosen else record


def _sorted(records: Iterable[bytes], check: Callable[[], None]) -> Iterator[bytes]:
    """The records in order. Reads all of them before it returns."""
    records, runs = iter(records), list[bytes]()
    while len(run := sorted(islice(records, RUN_NAMES))) == RUN_NAMES:
        runs.append(b"".join(run))
        check()
    return heapq.merge(*(unpacked(each, _TAIL) for each in runs), run) if runs else iter(run)


def unpacked(run: bytes, tail: int) -> Iterator[bytes]:
    """The records of a run. Each is a name and `tail` bytes, of which END is the first."""
    start = 0
    while start < len(run):
        end = run.index(END, start) + tail
        yield run[start:end]
        start = end


class OwnFiles:
    """The table of a job and the files beside it, which no walk takes for images: a folder that is
    classified may have them in it, and `--glob '*'` matches every name."""

    def __init__(self, output: str) -> None:
        """Without a folder in the path there are none: nothing is written."""
        self._folder, name = os.path.split(os.fsencode(output))
        pattern = re.escape(name) + _ENDINGS if self._folder else rb"(?!)"
        self._matches = re.compile(pattern, re.DOTALL).fullmatch

    def may_hold(self, name: bytes) -> bool:
        """Whether a file of this name is one, if it lies in the folder of the output. Cheap."""
        return self._matches(name) is not None

    def lies_beside(self, real: bytes) -> bool:
        """Whether this file lies in the folder of the output, however either was typed."""
        try:
            return os.path.samefile(os.path.dirname(real), self._folder)
        except OSError:
            return False


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
    of_paths = _matcher_of_any([pattern for pattern in patterns if b"/" in pattern])
    of_names = _matcher_of_any([pattern for pattern in patterns if b"/" not in pattern])
    return lambda path: of_names(path.rpartition(b"/")[2]) or of_paths(below + path)


def _matcher_of_any(patterns: list[bytes]) -> Callable[[bytes], bool]:
    """Whether a text matches one of them; false of none."""
    each = [fnmatch.translate(pattern.decode("latin-1")) for pattern in patterns]
    matches = re.compile("|".join(each or ["(?!)"]).encode("latin-1")).match
    return lambda text: matches(text) is not None


class FolderWalk:
    """One pass over a folder."""

    def __init__(
        self,
        files: FileReader,
        options: JobOptions,
        walk: Walk,
        members: Callable[[bytes, bytes, Walk], Iterator[bytes]] | None = None,
    ) -> None:
        """`members` returns the images in an archive after one of them, or all; without it an
        archive is a file."""
        self._files, self._walk, self._members = files, walk, members
        self._is_archive = is_archive if members else None
        self._selection, self._own = Selection(options.globs), OwnFiles(options.output)
        self._below = 0  # length of the folder in a path

    def names(self, typed: bytes, after: bytes) -> Iterator[bytes]:
        """The files after `after` of a folder, as typed. Raises SetupError if it cannot be
        listed."""
        folder = typed.rstrip(b"/") + b"/"
        self._below = len(folder)
        with refused_if_unlisted(typed):
            entries = listing(self._files.local_path(folder), self._walk.check, self._is_archive)
        return self._paths_below(folder, entries, after)

    def _entries(self, folder: bytes) -> Iterator[ListedEntry] | None:
        """The entries of a folder below another; None if it cannot be listed."""
        try:
            return listing(self._files.local_path(folder), self._walk.check, self._is_archive)
        except OSError as error:
            if error.errno in GONE:
                self._walk.skip(skipped.VANISHED)
            else:
                self._walk.skip(skipped.UNREADABLE)
                self._walk.report(folder, error.strerror or str(error))
            return None

    def _paths_below(
        self, prefix: bytes, entries: Iterator[ListedEntry], after: bytes
    ) -> Iterator[bytes]:
        # Not recursive: folders may be nested deeper than calls.
        open_folders = [(prefix, entries)]
        while open_folders:
            prefix, entries = open_folders[-1]
            for name, kind in entries:
                path = prefix + name
                if kind == FOLDER and not name.startswith(b"."):
                    below = self._entries(path[:-1]) if path >= after[: len(path)] else None
                    if below is not None:
                        open_folders.append((path, below))
                        break
                elif kind == ARCHIVE:
                    yield from self._in_archive(name, path, after)
                elif path > after:
                    why = self._why_skipped(name, kind, path)
                    if why is None:
                        yield path
                    elif why:
                        self._walk.skip(why)
            else:
                open_folders.pop()

    def _in_archive(self, name: bytes, path: bytes, after: bytes) -> Iterator[bytes]:
        assert self._members is not None
        if path < after[: len(path)]:
            return  # it is before
        if name.startswith(b"."):
            self._walk.skip(skipped.HIDDEN)
        else:
            last = after if after.startswith(path) else b""
            yield from self._members(path[:-1], last, self._walk)

    def _why_skipped(self, name: bytes, kind: bytes, path: bytes) -> str | None:
        """The reason why an entry is no row; None for a row, empty for an uncounted entry."""
        if name.startswith(b"."):
            return skipped.HIDDEN

        def is_image() -> bool:
            return self._files.holds_image(path)

        below, counts = path[self._below :], self._walk.skipped
        why = self._selection.why_skipped(below, kind, is_image, counts)
        # Without a glob no own file is a row: most images need no further check.
        if (why is not None or self._selection.has_globs) and self._is_own(name, path):
            return ""
        if why is None or why:
            return why
        # The folder that a link leads to may have images.
        return skipped.LINK if os.path.isdir(self._files.local_path(path)) else ""

    def _is_own(self, name: bytes, path: bytes) -> bool:
        return self._own.may_hold(name) and self._own.lies_beside(self._files.local_path(path))


@contextmanager
def refused_if_unlisted(root: bytes) -> Iterator[None]:
    """Raise SetupError for an OSError: a job cannot start without a folder that was typed."""
    try:
        yield
    except OSError as error:
        raise SetupError(
            f"{printable(root)} cannot be listed ({error.strerror}); {REMEDY}"
        ) from error


class LocalSource(FileReader, Source):
    """The files of an argument. It reads those of other arguments and of lists, too."""

    def __init__(self, options: JobOptions, waits: Waits, number: int | None = None) -> None:
        """Of a job that has started. `number` is that of the argument."""
        Source.__init__(self, b"" if number is None else options.roots[number], options, waits)
        FileReader.__init__(self, options.cwd)
        self._number = number
        self.was_pattern = number in options.pattern_roots

    @property
    def is_file(self) -> bool:
        """Whether the argument was a file when the job started."""
        return self._number in (self.options.file_roots or ())

    @property
    def place(self) -> bytes:
        """The absolute path of the argument."""
        return self.local_path(self.typed)

    @property
    def identity(self) -> bytes:
        return resolved(self.place)

    def holds(self, name: bytes) -> bool:
        return True

    def check(self, is_new: bool) -> None:
        if (is_new or self.was_pattern) and not os.path.isdir(self.place):
            check_local(self.typed, self.place)
        try:
            self._check_kind()
        except OSError as error:
            gone = error.errno in GONE
            if gone and self.is_file:
                return  # its row says so
            what = f"{printable(self.typed)}: {error.strerror}"
            if gone and is_new:
                raise UsageError(f"{what}; check the path") from None
            raise SetupError(f"{what}; {REMEDY}") from None

    def entries(self, after: bytes, walk: Walk) -> Iterator[bytes]:
        if self.is_file:  # a row with any ending
            return iter((self.typed,) if self.typed > after else ())
        return FolderWalk(self, self.options, walk).names(self.typed, after)

    def _check_kind(self) -> None:
        """Raises OSError for a path that cannot be reached, UsageError for a special file, and
        SetupError for a folder that cannot be listed."""
        if not self.typed:  # its path would be the job's folder
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        path, typed = self.place, printable(self.typed)
        mode = os.stat(path).st_mode
        if not (stat.S_ISDIR(mode) or stat.S_ISREG(mode)):
            raise UsageError(f"{typed} is neither a folder nor a file; name one of these")
        if stat.S_ISDIR(mode):
            with refused_if_unlisted(self.typed):
                os.scandir(path).close()


def check_local(typed: bytes, path: bytes) -> None:
    """Check an argument of no other kind of source, whose path would be `path`.

    Raises:
        UsageError: it is an address, a pattern, or an archive of a kind that nothing reads.
    """
    shown = printable(typed)
    if os.path.lexists(path):
        if typed.lower().endswith(_UNREAD_ARCHIVES):
            raise UsageError(
                f"{shown} is an archive of a kind that is not read; unpack it and classify the "
                "folder"
            )
        return
    if slip := _ONE_SLASH.match(typed):
        meant = shown_address(slip[1] + b"://" + typed[slip.end() :])
        raise UsageError(f"an address has two slashes after its colon; write {meant:.300}")
    if is_address(typed, path):
        raise UsageError(address_line(typed))
    if _PATTERN.search(typed):
        raise UsageError(
            f"{shown}: no such file or folder; leave a pattern to the shell, without quotation "
            "marks, or name its folder and give the pattern with --glob"
        )
