"""A zip archive, read in place."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from producer.sources.archives.archive import BAD, Archive
from producer.sources.archives.archive_file import ArchiveFile
from producer.sources.archives.member_index import MemberIndex
from producer.sources.archives.members import ArchiveDamaged, Member
from producer.sources.archives.zip_content import BadMember, HeaderPositions, content, head
from producer.sources.archives.zip_directory import ZipDirectory
from shared.image_status import Status


class ZipArchive(Archive):
    """Its directory names all members, in byte order of their rows."""

    def __init__(self, file: ArchiveFile, check: Callable[[], None]) -> None:
        super().__init__(file, check)
        self._directory = ZipDirectory(file)
        self._headers = HeaderPositions()
        self._index = MemberIndex(self._entries(), self._directory.member_at, check)

    def members(self, after: bytes) -> Iterator[tuple[bytes, Member]]:
        return self._index.after(after)

    def find(self, row: bytes) -> Member | None:
        return self._index.find(row)

    def content(self, row: bytes, member: Member) -> bytes | Status:
        entry = self._directory.at(member.place)
        end = self._headers.end_of(entry.header, self._directory.start)
        if entry.encrypted:
            return BAD
        try:
            return content(self.file, entry, end)
        except BadMember:
            return BAD

    def head(self, row: bytes, member: Member, count: int) -> bytes:
        entry = self._directory.at(member.place)
        return b"" if entry.encrypted else head(self.file, entry, count)

    def _entries(self) -> Iterator[Member]:
        try:
            for entry in self._directory.entries():
                self._headers.add(entry.header)
                yield entry.member
        except ArchiveDamaged as error:
            self.damage = str(error)
