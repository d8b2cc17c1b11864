"""The walk of one folder: every image below it, in path order, in constant memory.

Files come in byte order of their full path. Only the names of one directory at each depth are held.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from producer.inputs import skipped
from producer.inputs.job_options import JobOptions
from producer.sources.local.directory_listing import (
    ARCHIVE,
    FOLDER,
    LINK,
    ListedEntry,
    listing,
)
from producer.sources.local.own_files import OwnFiles
from producer.sources.local.reader import GONE, FileReader
from producer.sources.selection import Selection
from shared.errors import SetupError
from shared.messages.files import printable

if TYPE_CHECKING:
    from producer.sources.walk import Walk

REMEDY = "fix this and run the same command again; a started job resumes"


class Archives(Protocol):
    """What walks the archives in a folder."""

    def is_archive(self, name: bytes) -> bool:
        """Whether a file of this name is walked like a folder."""

    def members(self, archive: bytes, after: bytes, walk: Walk) -> Iterator[bytes]:
        """The names of its images after one; empty: all."""


class FolderWalk:
    """One pass over a folder."""

    def __init__(
        self,
        files: FileReader,
        options: JobOptions,
        walk: Walk,
        archives: Archives | None = None,
    ) -> None:
        """Without `archives` one is a file."""
        self._files, self._walk, self._archives = files, walk, archives
        self._is_archive = archives.is_archive if archives else None
        self._selection, self._own = Selection(options.globs), OwnFiles(options.output)
        self._below = 0  # length of the folder in a path

    def names(self, typed: bytes, after: bytes) -> Iterator[bytes]:
        """The files after `after` of a folder, as typed. Raises SetupError if it cannot be
        listed."""
        folder = typed.rstrip(b"/") + b"/"
        self._below = len(folder)
        with listed(typed):
            entries = listing(self._files.local_path(folder), self._walk.check, self._is_archive)
        return self._within(folder, entries, after)

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

    def _within(
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
                    yield from self._members(name, path, after)
                elif path > after:
                    why = self._why_skipped(name, kind, path)
                    if why is None:
                        yield path
                    elif why:
                        self._walk.skip(why)
            else:
                open_folders.pop()

    def _members(self, name: bytes, path: bytes, after: bytes) -> Iterator[bytes]:
        assert self._archives is not None
        if path < after[: len(path)]:
            return  # it is before
        if name.startswith(b"."):
            self._walk.skip(skipped.HIDDEN)
        else:
            last = after if after.startswith(path) else b""
            yield from self._archives.members(path[:-1], last, self._walk)

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
        if kind == LINK and os.path.isdir(self._files.local_path(path)):
            return skipped.LINK  # the folder may have images
        return why

    def _is_own(self, name: bytes, path: bytes) -> bool:
        return self._own.may_hold(name) and self._own.lies_beside(self._files.local_path(path))


@contextmanager
def listed(root: bytes) -> Iterator[None]:
    """Raise SetupError for an OSError: a job cannot start without a folder that was typed."""
    try:
        yield
    except OSError as error:
        raise SetupError(
            f"{printable(root)} cannot be listed ({error.strerror}); {REMEDY}"
        ) from error
