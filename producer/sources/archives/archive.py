"""An open archive: its members by the names of their rows, and their bytes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator

from producer.sources.archives.archive_file import ArchiveFile
from producer.sources.archives.members import Member
from shared.image_status import Status

#: What a member's row has instead of a label, whatever is wrong with the member.
BAD = Status.UNREADABLE


class Archive(ABC):
    """One file, as it was when it was opened. Used by one thread at a time."""

    #: Why there may be further members, which have no rows; empty if there are none.
    damage = ""

    def __init__(self, file: ArchiveFile, check: Callable[[], None]) -> None:
        """`check` is called again and again while members are searched, and may raise what ends
        that. Raises ArchiveDamaged, ArchiveTooLarge, OSError."""
        self.file, self.check = file, check

    @abstractmethod
    def members(self, after: bytes) -> Iterator[tuple[bytes, Member]]:
        """The names of all members' rows after one, and the members. Raises ArchiveDamaged of a
        name that is not there, ArchiveTooLarge, OSError."""

    @abstractmethod
    def find(self, row: bytes) -> Member | None:
        """The member whose row has this name. Raises as `members`."""

    @abstractmethod
    def content(self, row: bytes, member: Member) -> bytes | Status:
        """The bytes of a file among the members, or why there are none. Raises OSError."""

    def close(self) -> None:  # noqa: B027  the file is closed with its last reader
        """No member is looked up any more; walks go on."""

    @abstractmethod
    def head(self, row: bytes, member: Member, count: int) -> bytes:
        """Its first bytes; empty if they cannot be read. Raises OSError."""
