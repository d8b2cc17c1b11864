"""A folder that holds archives: each is walked like a folder of its members, at its place in the
order of names. Archives in archives are not opened."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Iterator
from typing import TYPE_CHECKING

from producer.inputs import skipped
from producer.sources.archives.archive_kinds import is_archive
from producer.sources.archives.archive_source import ArchiveSource
from producer.sources.local.folder_walk import FolderWalk
from producer.sources.local.local_source import LocalSource
from producer.sources.source import Source
from shared.errors import SetupError
from shared.image_status import Status
from shared.messages.files import Stamp

if TYPE_CHECKING:
    from producer.inputs.job_options import JobOptions
    from producer.sources.walk import Walk
    from shared.stop import Waits

#: A walk is in one archive, and the image before it may be in another.
OPEN_MAX = 4


class ArchivesFolder(Source):
    """The files of a folder, and the members of the archives in it."""

    is_sorted = False  # a compressed tar has an order of its own

    def __init__(self, typed: bytes, options: JobOptions, waits: Waits) -> None:
        super().__init__(typed, options, waits)
        self._prefix = typed.rstrip(b"/") + b"/"
        self._files = LocalSource(options, waits, options.roots.index(typed))
        #: Archives that are open, the one that was used last at the end.
        self._open: OrderedDict[bytes, ArchiveSource] = OrderedDict()
        self._last: tuple[bytes, bytes] = b"", b""  #: a folder in names, and its archive

    @property
    def identity(self) -> bytes:
        return self._files.identity

    def check(self, is_new: bool) -> None:
        self._files.check(is_new)

    def entries(self, after: bytes, walk: Walk) -> Iterator[bytes]:
        return FolderWalk(self._files, self.options, walk, self).names(self.typed, after)

    def is_archive(self, name: bytes) -> bool:
        """Whether a file of this name is walked like a folder."""
        return is_archive(name)

    def members(self, archive: bytes, after: bytes, walk: Walk) -> Iterator[bytes]:
        """The names of the images in an archive. One that cannot be read is like a folder that
        cannot be listed."""
        try:
            yield from self._opened(archive).entries(after, walk)
        except SetupError as error:
            walk.skip(skipped.UNREADABLE)
            walk.report(archive, str(error.__cause__ or error))

    def read(self, name: bytes, max_bytes: int) -> tuple[bytes | Status, Stamp]:
        return self._of(name).read(name, max_bytes)

    def read_small(
        self, name: bytes, below_bytes: int, max_bytes: int
    ) -> tuple[bytes | Status | None, Stamp]:
        return self._of(name).read_small(name, below_bytes, max_bytes)

    def stamp(self, name: bytes) -> Stamp:
        return self._of(name).stamp(name)

    def is_missing(self, name: bytes) -> bool:
        return self._of(name).is_missing(name)

    def local_path(self, name: bytes) -> bytes | None:
        return self._of(name).local_path(name)

    def own_order(self, name: bytes) -> bytes:
        return self._of(name).own_order(name)

    def close(self) -> None:
        for archive in self._open.values():
            archive.close()
        self._open.clear()

    def _of(self, name: bytes) -> Source:
        """The source of an image: an archive, or the files."""
        folder = name.rpartition(b"/")[0]
        if folder != self._last[0]:
            self._last = folder, self._archive_above(folder)
        archive = self._last[1]
        return self._opened(archive) if archive else self._files

    def _archive_above(self, folder: bytes) -> bytes:
        """The archive that names with this folder are in; empty if they are those of files."""
        above = self._prefix
        for part in folder[len(self._prefix) :].split(b"/"):
            above += part
            if is_archive(part) and os.path.isfile(self._files.local_path(above)):
                return above
            above += b"/"
        return b""

    def _opened(self, archive: bytes) -> ArchiveSource:
        source = self._open.pop(archive, None)
        if source is None:
            below = archive[len(self._prefix) :] + b"/"
            source = ArchiveSource(archive, self.options, self.waits, below)
            if len(self._open) == OPEN_MAX:
                self._open.popitem(last=False)[1].close()
        self._open[archive] = source
        return source
