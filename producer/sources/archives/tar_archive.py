"""A tar archive, read in place: its headers one after the other, within bounds.

Python's tarfile takes more than twice as long: 24 s for a million headers, 11 s here, which a job
that resumes waits for, too. It also follows what a header claims into memory.
"""

from __future__ import annotations

import re
import struct
import tarfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import NamedTuple

from producer.sources.archives.archive import (
    BAD,
    Archive,
    ArchiveDamaged,
    ArchiveFile,
    Member,
    MemberIndex,
    row_path,
)
from producer.sources.folder_walk import FILE, FOLDER, LINK, SPECIAL
from shared.image_status import Status

BLOCK = tarfile.BLOCKSIZE
_END = bytes(BLOCK)
#: Name, size, time, checksum, kind, name of the linked file, prefix of the name.
_FIELDS = struct.Struct("100s24x12s12s8sc100s88x155s12x")
_CHECKSUM_START, _CHECKSUM_END = 148, 156
_OF_BLANKS = 8 * ord(" ")
_ASCII = bytes(range(128))
_MORE_MAPS = 482
#: Kinds of GNU's tar, whose headers have something else where the prefix is.
_WITHOUT_PREFIX = b"DKLMSVN"
#: The longest name or record of attributes before a member.
_EXTENSION_MAX_BYTES = 1 << 20
#: Whether a map of an old sparse file is followed by another.
_STILL_MORE_MAPS = 504
#: Extensions in a row; more are an attack.
_EXTENSIONS_MAX = 8
_LONG_NAME, _LONG_LINK = tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK
_PAX, _PAX_GLOBAL = (tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE), tarfile.XGLTYPE
_LABEL, _DUMP = b"V", b"D"
#: An old sparse file, and the rest of a file from another volume.
_PARTIAL = (tarfile.GNUTYPE_SPARSE, b"M")
#: The kind of a hard link, until it has that of the member that it leads to.
HARD_LINK = b"h"
_KINDS = {
    tarfile.LNKTYPE: HARD_LINK,
    tarfile.SYMTYPE: LINK,
    tarfile.CHRTYPE: SPECIAL,
    tarfile.BLKTYPE: SPECIAL,
    tarfile.FIFOTYPE: SPECIAL,
    tarfile.DIRTYPE: FOLDER,
    _LABEL: FOLDER,
    _DUMP: FOLDER,
}
#: Kinds without data, whatever size their header has.
_WITHOUT_DATA = _KINDS.keys() - {_DUMP}
_SPARSE = b"GNU.sparse."
_NUMBER = re.compile(rb"(-?\d{1,12})(?:\.(\d{1,9})\d*)?")
_SIZE = re.compile(rb"\d{1,18}")
_TIME_MAX_NS = (1 << 63) - 1


class BadBlock(Exception):
    """A block that is no header."""


class Block(NamedTuple):
    """What a header says."""

    name: bytes
    size: int
    time_s: int
    kind: bytes
    linked: bytes  #: the name of the file that a link leads to
    has_maps: bool  #: whether maps follow, if it is that of an old sparse file


def parsed_header(block: bytes) -> Block | None:
    """The header in a block; None for the block at the end. Raises BadBlock."""
    if block == _END:
        return None
    if len(block) < BLOCK:
        raise BadBlock
    name, size, time, checksum, kind, linked, prefix = _FIELDS.unpack(block)
    if _integer(checksum) not in _checksums(block):
        raise BadBlock
    name = name.partition(b"\0")[0]
    prefix = prefix.partition(b"\0")[0]
    if prefix and kind not in _WITHOUT_PREFIX:
        name = prefix + b"/" + name
    size_bytes = _integer(size)
    if size_bytes < 0:
        raise BadBlock
    linked = linked.partition(b"\0")[0]
    return Block(name, size_bytes, _integer(time), kind, linked, bool(block[_MORE_MAPS]))


def _checksums(block: bytes) -> tuple[int, ...]:
    """The sum of the bytes, also as old programs made it: of signed ones."""
    rest = block[:_CHECKSUM_START] + block[_CHECKSUM_END:]
    total = sum(rest) + _OF_BLANKS
    if block.isascii():
        return (total,)
    return total, total - 256 * len(rest.translate(None, _ASCII))


def _integer(field: bytes) -> int:
    """A number in octal digits, or in base 256 if it is large or negative. Raises BadBlock."""
    if field[0] & 0x80:
        value = int.from_bytes(field[1:], "big")
        return value if field[0] == 0x80 else value - (1 << 8 * (len(field) - 1))
    digits = field.partition(b"\0")[0].strip(b" ")
    try:
        return int(digits or b"0", 8)
    except ValueError:
        raise BadBlock from None


class Tape(ABC):
    """A file that is read in order."""

    position = 0

    @abstractmethod
    def read(self, count: int) -> bytes:
        """The next bytes; fewer at the end. Raises ArchiveDamaged, OSError."""

    @abstractmethod
    def seek(self, position: int) -> None:
        """Go to a position. Raises as `read`."""


class PlainTape(Tape):
    """A file as it is."""

    def __init__(self, file: ArchiveFile) -> None:
        self._file = file

    def read(self, count: int) -> bytes:
        data = self._file.read(count, self.position)
        self.position += len(data)
        return data

    def seek(self, position: int) -> None:
        self.position = position


class TarMember(NamedTuple):
    """A member, and where its data are."""

    member: Member
    data: int
    next: int  #: the position of the next header
    is_sparse: bool  #: its data are not all of its bytes
    linked: bytes  #: the name of the member that a hard link leads to


def members(tape: Tape) -> Iterator[TarMember]:
    """Every member from the start on. The tape may be used in between. Raises ArchiveDamaged,
    OSError."""
    position = 0
    while (member := read_member(tape, position)) is not None:
        yield member
        position = member.next


def read_member(tape: Tape, start: int) -> TarMember | None:
    """The member whose first header is at this position; None at the end. Raises as `members`."""
    tape.seek(start)
    records = dict[bytes, bytes]()
    for _ in range(_EXTENSIONS_MAX + 1):
        header = _header(tape, start)
        if header is None:
            return None
        if header.kind == _LONG_NAME:
            records[b"path"] = _extension(tape, header.size).partition(b"\0")[0]
        elif header.kind == _LONG_LINK:
            records[b"linkpath"] = _extension(tape, header.size).partition(b"\0")[0]
        elif header.kind in _PAX:
            records |= _pax(_extension(tape, header.size))
        elif header.kind == _PAX_GLOBAL:
            _extension(tape, header.size)
        else:
            if header.kind == tarfile.GNUTYPE_SPARSE and header.has_maps:
                _skip_maps(tape)
            return _member(header, records, start, tape.position)
    raise ArchiveDamaged("a member has too many headers")


class TarReader:
    """Reads members at known places. A hard link is the file that it leads to, if that is before
    it, and otherwise an unreadable one."""

    def __init__(self, tape: Tape, place_of: Callable[[bytes], int | None]) -> None:
        """`place_of` returns the place of the member with this name; None if there is none."""
        self.tape, self._place_of = tape, place_of
        self._last: TarMember | None = None

    def member_at(self, place: int) -> TarMember:
        """The member whose first header is there. Raises as `members`."""
        return self.resolved(self._unresolved_at(place))

    def header_at(self, place: int) -> Member:
        """As `member_at`, but hard links stay what they are."""
        return self._unresolved_at(place).member

    def resolved(self, there: TarMember) -> TarMember:
        """A member as `member_at` returns it."""
        if there.member.kind is not HARD_LINK:
            return there
        place = self._place_of(row_path(there.linked))
        target = (
            self._unresolved_at(place) if place is not None and place < there.member.place else None
        )
        if target is None or target.member.kind is HARD_LINK:
            return there._replace(member=there.member._replace(kind=FILE), is_sparse=True)
        linked = target.member
        member = there.member._replace(kind=linked.kind, size=linked.size, mark=linked.mark)
        return there._replace(member=member, data=target.data, is_sparse=target.is_sparse)

    def _unresolved_at(self, place: int) -> TarMember:
        if self._last is None or self._last.member.place != place:
            self._last = read_member(self.tape, place)
        if self._last is None:
            raise ArchiveDamaged("it was changed while it was read")
        return self._last


def _header(tape: Tape, start: int) -> Block | None:
    block = tape.read(BLOCK)
    try:
        return parsed_header(block)
    except BadBlock:
        if start == 0:
            raise ArchiveDamaged("it is no tar archive") from None
        what = "a header is damaged" if block else "its end is missing"
        raise ArchiveDamaged(what) from None


def _skip_maps(tape: Tape) -> None:
    """Go past the blocks that follow the header of an old sparse file."""
    for _ in range(_EXTENSION_MAX_BYTES // BLOCK):
        if tape.read(BLOCK)[_STILL_MORE_MAPS : _STILL_MORE_MAPS + 1] != b"\1":
            return
    raise ArchiveDamaged("a header is damaged")


def _extension(tape: Tape, size: int) -> bytes:
    if size > _EXTENSION_MAX_BYTES:
        raise ArchiveDamaged(f"a header has more than {_EXTENSION_MAX_BYTES:,} bytes")
    return tape.read(_padded(size))[:size]


def _pax(data: bytes) -> dict[bytes, bytes]:
    """The records of a header: `LENGTH KEY=VALUE` and a line end. Raises ArchiveDamaged."""
    records, start = dict[bytes, bytes](), 0
    while start < len(data) and data[start]:
        digits = data[start : start + 8].partition(b" ")[0]
        length = int(digits) if digits.isdigit() else 0
        record = data[start + len(digits) + 1 : start + length]
        key, _, value = record.partition(b"=")
        if not value.endswith(b"\n"):
            raise ArchiveDamaged("a header is damaged")
        records[key] = value[:-1]
        start += length
    return records


def _member(header: Block, records: dict[bytes, bytes], start: int, data: int) -> TarMember:
    kind = _KINDS.get(header.kind, FILE)
    is_sparse = header.kind in _PARTIAL or any(key.startswith(_SPARSE) for key in records)
    name = records.get(_SPARSE + b"name") or records.get(b"path") or header.name
    if name.endswith(b"/"):
        kind = FOLDER
    size = 0 if header.kind in _WITHOUT_DATA else _number(records.get(b"size"), header.size)
    member = Member(name, kind, start, size, _time(header, records))
    linked = records.get(b"linkpath") or header.linked
    return TarMember(member, data, data + _padded(size), is_sparse, linked)


def _number(text: bytes | None, otherwise: int) -> int:
    if text is None:
        return otherwise
    if not _SIZE.fullmatch(text):
        raise ArchiveDamaged("a header is damaged")
    return int(text)


def _time(header: Block, records: dict[bytes, bytes]) -> int:
    """The time in ns, as in a stamp."""
    match = _NUMBER.fullmatch(records.get(b"mtime", b""))
    seconds, part = (int(match[1]), match[2] or b"") if match else (header.time_s, b"")
    return (seconds * 10**9 + int(part.ljust(9, b"0"))) & _TIME_MAX_NS


def _padded(size: int) -> int:
    return -(-size // BLOCK) * BLOCK


class TarArchive(Archive):
    """A first pass reads all headers, to know the byte order of the rows."""

    def __init__(self, file: ArchiveFile, check: Callable[[], None]) -> None:
        super().__init__(file, check)
        self._headers = TarReader(PlainTape(file), self._place_of)
        self._index = MemberIndex(self._members(), self._headers.header_at, check)

    def members(self, after: bytes) -> Iterator[tuple[bytes, Member]]:
        return ((row, self._resolved(member)) for row, member in self._index.after(after))

    def find(self, row: bytes) -> Member | None:
        member = self._index.find(row)
        return None if member is None else self._resolved(member)

    def content(self, row: bytes, member: Member, most: int) -> bytes | Status:
        there, count = self._headers.member_at(member.place), min(most, member.size)
        data = self.file.read(count, there.data)
        return BAD if there.is_sparse or len(data) < count else data

    def _resolved(self, member: Member) -> Member:
        if member.kind is not HARD_LINK:
            return member
        file = self._headers.member_at(member.place).member
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
            self.damage = str(error)
