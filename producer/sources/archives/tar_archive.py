"""A tar archive, read in place."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from producer.sources.archives.archive import BAD, Archive
from producer.sources.archives.archive_file import ArchiveFile
from producer.sources.archives.member_index import MemberIndex
from producer.sources.archives.members import ArchiveDamaged, Member
from producer.sources.archives.tape import PlainTape
from producer.sources.archives.tar_headers import HARD_LINK, TarReader, members
from shared.image_status import Status


class TarArchive(Archive):
    """Its headers are read once, to know the members in byte order of their rows."""

    def __init__(self, file: ArchiveFile, check: Callable[[], None]) -> None:
        super().__init__(file, check)
        self._headers = TarReader(PlainTape(file), self._place_of)
        self._index = MemberIndex(self._members(), self._headers.header_at, check)

    def members(self, after: bytes) -> Iterator[tuple[bytes, Member]]:
        return ((row, self._resolved(member)) for row, member in self._index.after(after))

    def find(self, row: bytes) -> Member | None:
        member = self._index.find(row)
        return None if member is None else self._resolved(member)

    def content(self, row: bytes, member: Member) -> bytes | Status:
        there = self._headers.at(member.place)
        data = self.file.read(member.size, there.data)
        return BAD if there.is_sparse or len(data) < member.size else data

    def head(self, row: bytes, member: Member, count: int) -> bytes:
        return self.file.read(min(count, member.size), self._headers.at(member.place).data)

    def _resolved(self, member: Member) -> Member:
        if member.kind is not HARD_LINK:
            return member
        file = self._headers.at(member.place).member
        return file._replace(number=member.number, is_repeat=member.is_repeat)

    def _place_of(self, row: bytes) -> int | None:
        member = self._index.find(row)
        return None if member is None else member.place

    def _members(self) -> Iterator[Member]:
        there = None
        try:
            for there in members(PlainTape(self.file)):
                yield there.member
        except ArchiveDamaged as error:
            if there is None:
                raise
            is_cut = there.next > self.file.size
            self.damage = "it is cut off in a member" if is_cut else str(error)
