"""A zip archive, read in place: the directory at its end, and the bytes of members within bounds.

Python's zipfile holds an object for each member, and refuses a whole archive for one name that is
not UTF-8. Here an entry is read when it is needed, and names are bytes.
"""

from __future__ import annotations

import re
import stat
import struct
import zlib
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from typing import NamedTuple

from producer.sources.archives.archive import (
    BAD,
    POSITION_MAX,
    Archive,
    ArchiveDamaged,
    ArchiveFile,
    Member,
    MemberIndex,
)
from producer.sources.folder_walk import FILE, FOLDER, LINK, SPECIAL
from shared.image_status import Status

_END, _END_MARK = struct.Struct("<4s4H2LH"), b"PK\5\6"
#: What is between the end with 64 bits and the plain one.
_LOCATOR_BYTES = 20
_END64, _END64_MARK = struct.Struct("<4sQ2H2L4Q"), b"PK\6\6"
_ENTRY, _ENTRY_MARK = struct.Struct("<4s4B4H3L5H2L"), b"PK\1\2"
_COMMENT_MAX_BYTES = (1 << 16) - 1
#: A number that is in the extra field instead, of 64 bits.
_ELSEWHERE, _ELSEWHERE_16 = (1 << 32) - 1, (1 << 16) - 1
_EXTRA64 = 1
_BLOCK_BYTES = 1 << 16
#: Systems whose attributes have a Unix mode in the upper half.
_UNIX = {3, 19}
_ENCRYPTED = 1 << 0 | 1 << 6 | 1 << 13
_HEADER, _HEADER_MARK = struct.Struct("<4s2B4HL2L2H"), b"PK\3\4"
_STORED, _DEFLATED = 0, 8
#: Read at a time, at most and at least.
_INFLATE_BYTES, _PACKED_BYTES = 1 << 20, 1 << 12
#: What Deflate adds at most to data that it cannot make smaller: more is a member that lies.
_ADDED_SHARE, _ADDED_BYTES = 100, 1 << 16


class Directory(NamedTuple):
    """Where the directory is."""

    start: int  #: position of its first entry
    end: int
    members: int  #: their number, modulo 65,536
    shift: int  #: the bytes before the archive, for example of a program that unpacks it


class Entry(NamedTuple):
    """What the directory has of one member."""

    name: bytes
    encrypted: bool
    method: int
    crc: int
    packed_bytes: int
    size: int
    kind: bytes
    header: int  #: position of its local header
    place: int  #: position of the entry, from the start of the directory
    length: int  #: of the entry

    @property
    def member(self) -> Member:
        return Member(self.name, self.kind, self.place, self.size, self.crc)


class ZipDirectory:
    """The directory of an open file. Raises ArchiveDamaged: there is none, OSError."""

    def __init__(self, file: ArchiveFile) -> None:
        self._file = file
        self._found = _directory_in(file)
        self._block, self._block_at = b"", 0
        self._last: Entry | None = None

    @property
    def start(self) -> int:
        """Where the data of the members end."""
        return self._found.start

    def entries(self) -> Iterator[Entry]:
        """Every entry, in the archive's order. Raises ArchiveDamaged."""
        place, count = 0, 0
        size = self._found.end - self._found.start
        while place < size:
            entry = self.entry_at(place)
            yield entry
            place, count = place + entry.length, count + 1
        if count & _ELSEWHERE_16 != self._found.members & _ELSEWHERE_16:
            raise ArchiveDamaged(
                f"its directory has {count:,} members, and another number at its end"
            )

    def entry_at(self, place: int) -> Entry:
        """The entry at a place. Raises ArchiveDamaged."""
        if self._last is None or self._last.place != place:
            try:
                self._last = self._read_entry(place)
            except struct.error:
                raise ArchiveDamaged("its directory is damaged") from None
        return self._last

    def member_at(self, place: int) -> Member:
        """The member of the entry at a place. Raises ArchiveDamaged."""
        return self.entry_at(place).member

    def _read_entry(self, place: int) -> Entry:
        fields = _ENTRY.unpack(self._read(place, _ENTRY.size))
        mark, _, system, _, _, flags, method, _, _, crc, packed, size = fields[:12]
        name_bytes, extra_bytes, comment_bytes, _, _, attributes, header = fields[12:]
        if mark != _ENTRY_MARK:
            raise ArchiveDamaged("its directory is damaged")
        rest = self._read(place + _ENTRY.size, name_bytes + extra_bytes)
        name, extra = rest[:name_bytes], rest[name_bytes:]
        if _ELSEWHERE in (size, packed, header):
            size, packed, header = _with_64_bits(extra, size, packed, header)
        kind = _kind(name, system, attributes)
        length = _ENTRY.size + name_bytes + extra_bytes + comment_bytes
        encrypted = bool(flags & _ENCRYPTED)
        header = min(header + self._found.shift, POSITION_MAX)
        return Entry(name, encrypted, method, crc, packed, size, kind, header, place, length)

    def _read(self, place: int, count: int) -> bytes:
        """Bytes of the directory. Raises ArchiveDamaged if it is shorter."""
        start = place - self._block_at
        if start < 0 or start + count > len(self._block):
            left = self._found.end - self._found.start - place
            self._block_at, start = place, 0
            wanted = min(max(count, _BLOCK_BYTES), max(left, 0))
            self._block = self._file.read(wanted, self._found.start + place)
        data = self._block[start : start + count]
        if len(data) < count:
            raise ArchiveDamaged("its directory is cut off")
        return data


def _kind(name: bytes, system: int, attributes: int) -> bytes:
    if name.endswith(b"/"):
        return FOLDER
    mode = attributes >> 16 if system in _UNIX else 0
    if stat.S_ISLNK(mode):
        return LINK
    return FILE if stat.S_IFMT(mode) in (0, stat.S_IFREG) else SPECIAL


def _with_64_bits(extra: bytes, *numbers: int) -> tuple[int, ...]:
    """The numbers, those that are elsewhere as the extra field has them."""
    place = 0
    while place + 4 <= len(extra):
        kind, count = struct.unpack_from("<HH", extra, place)
        place += 4
        if kind == _EXTRA64:
            there = iter(struct.unpack(f"<{count // 8}Q", extra[place : place + count // 8 * 8]))
            return tuple(next(there, n) if n == _ELSEWHERE else n for n in numbers)
        place += count
    return numbers


def _directory_in(file: ArchiveFile) -> Directory:
    """The directory that the end of a file names. Raises ArchiveDamaged."""
    tail_at = max(0, file.size - _COMMENT_MAX_BYTES - _END.size)
    tail = file.read(_COMMENT_MAX_BYTES + _END.size, tail_at)
    ends = [match.start() for match in re.finditer(re.escape(_END_MARK), tail)]
    ends.reverse()
    # A comment may have the mark, too. The last record is followed by its comment, and by nothing.
    for at in sorted(ends, key=lambda at: not _is_last(tail, at)):
        found = _directory_at(file, tail_at + at, tail[at : at + _END.size])
        if found is not None:
            return found
    raise ArchiveDamaged("it is no zip archive, or its end is missing")


def _is_last(tail: bytes, at: int) -> bool:
    record = tail[at : at + _END.size]
    return len(record) == _END.size and at + _END.size + _END.unpack(record)[-1] == len(tail)


def _directory_at(file: ArchiveFile, end_at: int, record: bytes) -> Directory | None:
    """The directory that the record at this position names; None if it names none."""
    if len(record) < _END.size:
        return None
    _, disk, _, _, count, length, start, _ = _END.unpack(record)
    after = end_at
    end64 = _end64(file, end_at)  # also beside numbers that 32 bits can hold
    if end64 is not None:
        after, (disk, count, length, start) = end64
    if disk:
        raise ArchiveDamaged("it is one part of several; join them first")
    shift = after - length - start
    if shift < 0 or (length and file.read(4, after - length) != _ENTRY_MARK):
        return None
    return Directory(after - length, after, count, shift)


def _end64(file: ArchiveFile, end_at: int) -> tuple[int, tuple[int, ...]] | None:
    """The position of the record with 64 bits, and its numbers; None if there is none."""
    at = end_at - _LOCATOR_BYTES - _END64.size
    if at < 0:
        return None
    mark, _, _, _, disk, _, _, count, length, start = _END64.unpack(file.read(_END64.size, at))
    return (at, (disk, count, length, start)) if mark == _END64_MARK else None


class BadMember(Exception):
    """A member without the bytes that the directory promises."""


def content(file: ArchiveFile, entry: Entry, end: int, most: int) -> bytes:
    """The first bytes of a member whose data end before `end`, `most` or all. No more than these
    are held, and a chunk. Raises BadMember, OSError."""
    start, count = _data_start(file, entry), min(most, entry.size)
    if start + entry.packed_bytes > end:
        raise BadMember  # it overlaps the next member
    if entry.method == _STORED and entry.packed_bytes == entry.size:
        data = file.read(count, start)
    elif entry.method == _DEFLATED:
        data = _inflated(file, start, entry, count)
    else:
        raise BadMember
    if len(data) != count or (count == entry.size and zlib.crc32(data) != entry.crc):
        raise BadMember
    return data


def _data_start(file: ArchiveFile, entry: Entry) -> int:
    header = file.read(_HEADER.size + len(entry.name), entry.header)
    if len(header) < _HEADER.size:
        raise BadMember
    mark, *_, name_bytes, extra_bytes = _HEADER.unpack_from(header)
    if mark != _HEADER_MARK or header[_HEADER.size :] != entry.name:
        raise BadMember
    return entry.header + _HEADER.size + int(name_bytes) + int(extra_bytes)


def _inflated(file: ArchiveFile, start: int, entry: Entry, count: int) -> bytes:
    if entry.packed_bytes > entry.size + entry.size // _ADDED_SHARE + _ADDED_BYTES:
        raise BadMember
    inflate = zlib.decompressobj(-zlib.MAX_WBITS)
    parts, left, step = [], count + 1, min(_INFLATE_BYTES, _PACKED_BYTES + count)
    for at in range(start, start + entry.packed_bytes, step):
        packed = file.read(min(step, start + entry.packed_bytes - at), at)
        try:
            parts.append(inflate.decompress(packed, left))
        except zlib.error:
            raise BadMember from None
        left -= len(parts[-1])
        if left <= 0:
            break
    if count == entry.size and left <= 0:
        raise BadMember  # it is larger than it claims
    data = b"".join(parts) if len(parts) > 1 else parts[0] if parts else b""
    return data[:count]


class HeaderPositions:
    """The positions of all local headers, by which members that share data are found."""

    def __init__(self) -> None:
        self._positions = array("Q")
        self._is_sorted = False

    def add(self, position: int) -> None:
        self._positions.append(position)

    def end_of(self, position: int, end: int) -> int:
        """Where the data of the member at this position must end; 0 if another has the same."""
        if not self._is_sorted:
            self._positions = array("Q", sorted(self._positions))
            self._is_sorted = True
        first, after = (
            bisect_left(self._positions, position),
            bisect_right(self._positions, position),
        )
        if after - first != 1:
            return 0
        return self._positions[after] if after < len(self._positions) else end


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

    def content(self, row: bytes, member: Member, most: int) -> bytes | Status:
        entry = self._directory.entry_at(member.place)
        end = self._headers.end_of(entry.header, self._directory.start)
        if entry.encrypted:
            return BAD
        try:
            return content(self.file, entry, end, most)
        except BadMember:
            return BAD

    def _entries(self) -> Iterator[Member]:
        try:
            for entry in self._directory.entries():
                self._headers.add(entry.header)
                yield entry.member
        except ArchiveDamaged as error:
            self.damage = str(error)
