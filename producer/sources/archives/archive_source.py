"""The images in an archive: each file among its members that a walk would find in a folder."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from producer.inputs import skipped
from producer.sources.archives.archive import BAD, Archive
from producer.sources.archives.archive_kinds import archive_kind
from producer.sources.archives.members import (
    ArchiveDamaged,
    ArchiveTooLarge,
    Member,
    cleaned,
    is_refused,
)
from producer.sources.archives.open_archive import OpenArchive
from producer.sources.local.directory_listing import FILE
from producer.sources.local.folder_walk import REMEDY
from producer.sources.local.reader import FileReader, resolved
from producer.sources.selection import Selection, is_hidden
from producer.sources.source import Source
from shared.errors import SetupError, UsageError
from shared.image_formats import HEAD_BYTES, is_image, is_misnamed, is_other_kind
from shared.image_status import Status
from shared.messages.files import NO_STAMP, Stamp, printable

if TYPE_CHECKING:
    from producer.inputs.job_options import JobOptions
    from producer.sources.walk import Walk
    from shared.stop import Waits

_SIZE_MAX = (1 << 63) - 1  #: of a stamp


class ArchiveSource(Source):
    """One archive, as a folder of its members."""

    def __init__(self, typed: bytes, options: JobOptions, waits: Waits, below: bytes = b"") -> None:
        """`below` is its path in a typed folder, with a slash, which globs are compared with."""
        super().__init__(typed, options, waits)
        self.is_sorted = not archive_kind(typed).in_own_order
        self._prefix = typed.rstrip(b"/") + b"/"
        self._path = FileReader(options.cwd).local_path(typed)
        self._file = OpenArchive(self._path, waits.check)
        self._selection = Selection(options.globs, below)

    @property
    def identity(self) -> bytes:
        return resolved(self._path)

    def check(self, is_new: bool) -> None:
        try:
            self._file.now()
        except FileNotFoundError as error:
            what = f"{printable(self.typed)}: {error.strerror}"
            if is_new:
                raise UsageError(f"{what}; check the path") from None
            raise SetupError(f"{what}; {REMEDY}") from None
        except OSError as error:
            raise self._unlisted(error.strerror or str(error)) from error
        except (ArchiveDamaged, ArchiveTooLarge) as error:
            raise UsageError(self._unread(error)) from None

    def entries(self, after: bytes, walk: Walk) -> Iterator[bytes]:
        return (name for name, _ in self._rows(after, walk))

    def stamps(self, after: bytes, walk: Walk) -> Iterator[tuple[bytes, Stamp]]:
        return ((name, _stamp(member)) for name, member in self._rows(after, walk))

    def read(self, name: bytes, max_bytes: int) -> tuple[bytes | Status, Stamp]:
        row = name[len(self._prefix) :]
        try:
            archive = self._file.now()
            member = archive.find(row)
            if member is None or member.kind is not FILE:
                return Status.MISSING, NO_STAMP
            why = _refusal(archive, row, member, max_bytes)
            return why or archive.content(row, member), _stamp(member)
        except FileNotFoundError:
            return Status.MISSING, NO_STAMP
        except (OSError, ArchiveDamaged, ArchiveTooLarge):
            return Status.UNREADABLE, NO_STAMP

    def stamp(self, name: bytes) -> Stamp:
        try:
            member = self._file.now().find(name[len(self._prefix) :])
        except (OSError, ArchiveDamaged, ArchiveTooLarge):
            return NO_STAMP
        return _stamp(member) if member is not None and member.kind is FILE else NO_STAMP

    def close(self) -> None:
        self._file.close()

    def _rows(self, after: bytes, walk: Walk) -> Iterator[tuple[bytes, Member]]:
        """The rows after one, and their members. Raises SetupError."""
        try:
            archive = self._file.now()
            for row, member in archive.members(after[len(self._prefix) :]):
                why = self._why_skipped(archive, row, member, walk)
                if why is None:
                    yield self._prefix + row, member
                elif why:
                    walk.skip(why)
        except OSError as error:
            raise self._unlisted(error.strerror or str(error)) from error
        except (ArchiveDamaged, ArchiveTooLarge) as error:
            raise SetupError(self._unread(error)) from error
        if archive.damage:
            walk.report(self.typed, archive.damage)

    def _why_skipped(self, archive: Archive, row: bytes, member: Member, walk: Walk) -> str | None:
        def starts_like_one() -> bool:
            return is_image(archive.head(row, member, HEAD_BYTES))

        name = cleaned(member.name) or member.name
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


def _refusal(archive: Archive, row: bytes, member: Member, max_bytes: int) -> Status | None:
    if is_refused(row):
        return BAD
    if is_other_kind(row) and not is_misnamed(archive.head(row, member, HEAD_BYTES)):
        return Status.UNSUPPORTED
    return Status.TOO_LARGE if member.size > max_bytes else None
