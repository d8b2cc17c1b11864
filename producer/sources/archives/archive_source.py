"""The images in an archive, or in a folder with archives: each file among the members that a walk
would find in a folder."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Iterator
from typing import TYPE_CHECKING

from producer.job import skipped
from producer.sources.archives.archive import (
    BAD,
    Archive,
    ArchiveDamaged,
    ArchiveFile,
    Member,
    is_refused,
    row_path,
)
from producer.sources.archives.gzip_archive import GzipArchive
from producer.sources.archives.tar_archive import TarArchive
from producer.sources.archives.zip_archive import ZipArchive
from producer.sources.folder_walk import FILE, REMEDY, FolderWalk, LocalSource, Selection, is_hidden
from producer.sources.reader import FileReader, resolved
from producer.sources.source import Source, is_archive
from shared.errors import SetupError, UsageError
from shared.image_formats import HEAD_BYTES, is_image, is_misnamed, is_other_kind
from shared.image_status import Status
from shared.messages.files import NO_STAMP, Stamp, printable

if TYPE_CHECKING:
    from producer.job.job_options import JobOptions
    from producer.sources.job_sources import Walk
    from shared.stop import Waits


#: By the ending of the name.
_CLASSES: dict[bytes, type[Archive]] = {
    b".zip": ZipArchive, b".tar": TarArchive, b".tar.gz": GzipArchive, b".tgz": GzipArchive,
}  # fmt: skip
_SIZE_MAX = (1 << 63) - 1  #: of a stamp
#: A walk is in one archive, and the image before it may be in another.
OPEN_MAX = 4


class ArchiveSource(Source):
    """One archive, as a folder of its members."""

    def __init__(self, typed: bytes, options: JobOptions, waits: Waits, below: bytes = b"") -> None:
        """`below` is its path in a typed folder, with a slash, which globs are compared with."""
        super().__init__(typed, options, waits)
        self.is_sorted = _class_of(typed).is_sorted
        self._path = FileReader(options.cwd).local_path(typed)
        self._state: tuple[int, ...] = ()  #: of the file that is open
        self._archive: Archive | None = None
        self._selection = Selection(options.globs, below)

    @property
    def identity(self) -> bytes:
        return resolved(self._path)

    def check(self, is_new: bool) -> None:
        try:
            self._current_archive()
        except FileNotFoundError as error:
            what = f"{printable(self.typed)}: {error.strerror}"
            if is_new:
                raise UsageError(f"{what}; check the path") from None
            raise SetupError(f"{what}; {REMEDY}") from None
        except OSError as error:
            raise self._unlisted(error.strerror or str(error)) from error
        except ArchiveDamaged as error:
            raise UsageError(self._unread(error)) from None

    def entries(self, after: bytes, walk: Walk) -> Iterator[bytes]:
        return (name for name, _ in self._rows(after, walk))

    def stamps(self, after: bytes, walk: Walk) -> Iterator[tuple[bytes, Stamp]]:
        rows = self._rows(after, walk, damage_first=True)
        return ((name, _stamp(member)) for name, member in rows)

    def read(self, name: bytes, max_bytes: int) -> tuple[bytes | Status, Stamp]:
        row = name[len(self.prefix) :]
        try:
            archive = self._current_archive()
            member = archive.find(row)
            if member is None or member.kind is not FILE:
                return Status.MISSING, NO_STAMP
            why = _refusal(archive, row, member, max_bytes)
            return why or archive.content(row, member, member.size), _stamp(member)
        except FileNotFoundError:
            return Status.MISSING, NO_STAMP
        except (OSError, ArchiveDamaged):
            return Status.UNREADABLE, NO_STAMP

    def stamp(self, name: bytes) -> Stamp:
        try:
            member = self._current_archive().find(name[len(self.prefix) :])
        except (OSError, ArchiveDamaged):
            return NO_STAMP
        return _stamp(member) if member is not None and member.kind is FILE else NO_STAMP

    def close(self) -> None:
        """Close the file once no walk reads it."""
        if self._archive is not None:
            self._archive.close()
        self._archive = None

    def _current_archive(self) -> Archive:
        """The archive as it is; it is opened again when it has changed. Raises OSError,
        ArchiveDamaged."""
        info = os.stat(self._path)
        state = info.st_dev, info.st_ino, info.st_size, info.st_mtime_ns
        if self._archive is None or state != self._state:
            self.close()
            opened = _class_of(self._path)(ArchiveFile(self._path), self.waits.check)
            self._archive, self._state = opened, state
        return self._archive

    def _rows(
        self, after: bytes, walk: Walk, damage_first: bool = False
    ) -> Iterator[tuple[bytes, Member]]:
        """The rows after one, and their members. Damage is reported once: after them, where a walk
        that resumes comes, too, or before them, if rows without a member are judged meanwhile.
        Raises SetupError."""
        try:
            archive = self._current_archive()
            is_reported = damage_first and bool(archive.damage)
            if is_reported:
                walk.report(self.typed, archive.damage)
            for row, member in archive.members(after[len(self.prefix) :]):
                why = self._why_skipped(archive, row, member, walk)
                if why is None:
                    yield self.prefix + row, member
                elif why:
                    walk.skip(why)
        except OSError as error:
            raise self._unlisted(error.strerror or str(error)) from error
        except ArchiveDamaged as error:
            raise SetupError(self._unread(error)) from error
        if archive.damage and not is_reported:
            walk.report(self.typed, archive.damage)

    def _why_skipped(self, archive: Archive, row: bytes, member: Member, walk: Walk) -> str | None:
        def starts_like_one() -> bool:
            return is_image(_head(archive, row, member))

        name = row_path(member.name) or member.name
        if is_hidden(name):
            return skipped.HIDDEN
        return self._selection.why_skipped(name, member.kind, starts_like_one, walk.skipped)

    def _unlisted(self, why: str) -> SetupError:
        return SetupError(f"{printable(self.typed)} cannot be read ({why}); {REMEDY}")

    def _unread(self, error: Exception) -> str:
        return (
            f"{printable(self.typed)} cannot be read: {error}; make the archive again, or unpack "
            "it and classify the folder"
        )


def _stamp(member: Member) -> Stamp:
    return min(member.size, _SIZE_MAX), member.mark


def _head(archive: Archive, row: bytes, member: Member) -> bytes:
    """The first bytes of a file; empty if they cannot be read."""
    data = archive.content(row, member, HEAD_BYTES)
    return data if isinstance(data, bytes) else b""


def _refusal(archive: Archive, row: bytes, member: Member, max_bytes: int) -> Status | None:
    if is_refused(row):
        return BAD
    if is_other_kind(row) and not is_misnamed(_head(archive, row, member)):
        return Status.UNSUPPORTED
    return Status.TOO_LARGE if member.size > max_bytes else None


def _class_of(path: bytes) -> type[Archive]:
    """The class that reads a file with the ending of an archive."""
    name = path.lower()
    return next(kind for ending, kind in _CLASSES.items() if name.endswith(ending))


class ArchivesFolder(Source):
    """The files of a folder, and the members of the archives in it: each archive is walked like a
    folder, at its place in the order of names. Archives in archives are not opened."""

    is_sorted = False  # a compressed tar has an order of its own

    def __init__(self, typed: bytes, options: JobOptions, waits: Waits) -> None:
        super().__init__(typed, options, waits)
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
        return FolderWalk(self._files, self.options, walk, self._members).names(self.typed, after)

    def _members(self, archive: bytes, after: bytes, walk: Walk) -> Iterator[bytes]:
        """The names of the images in an archive. One that cannot be read is like a folder that
        cannot be listed."""
        try:
            yield from self._opened(archive).entries(after, walk)
        except SetupError as error:
            walk.skip(skipped.UNREADABLE)
            walk.report(archive, str(error.__cause__ or error))

    def read(self, name: bytes, max_bytes: int) -> tuple[bytes | Status, Stamp]:
        return self._source_of(name).read(name, max_bytes)

    def read_small(
        self, name: bytes, below_bytes: int, max_bytes: int
    ) -> tuple[bytes | Status | None, Stamp]:
        return self._source_of(name).read_small(name, below_bytes, max_bytes)

    def stamp(self, name: bytes) -> Stamp:
        return self._source_of(name).stamp(name)

    def local_path(self, name: bytes) -> bytes | None:
        return self._source_of(name).local_path(name)

    def own_order(self, name: bytes) -> bytes:
        return self._source_of(name).own_order(name)

    def close(self) -> None:
        for archive in self._open.values():
            archive.close()
        self._open.clear()

    def _source_of(self, name: bytes) -> Source:
        """The source of an image: an archive, or the files."""
        folder = name.rpartition(b"/")[0]
        if folder != self._last[0]:
            self._last = folder, self._archive_above(folder)
        archive = self._last[1]
        return self._opened(archive) if archive else self._files

    def _archive_above(self, folder: bytes) -> bytes:
        """The archive that names with this folder are in; empty if they are those of files."""
        above = self.prefix
        for part in folder[len(self.prefix) :].split(b"/"):
            above += part
            if is_archive(part) and os.path.isfile(self._files.local_path(above)):
                return above
            above += b"/"
        return b""

    def _opened(self, archive: bytes) -> ArchiveSource:
        source = self._open.pop(archive, None)
        if source is None:
            below = archive[len(self.prefix) :] + b"/"
            source = ArchiveSource(archive, self.options, self.waits, below)
            if len(self._open) == OPEN_MAX:
                self._open.popitem(last=False)[1].close()
        self._open[archive] = source
        return source
