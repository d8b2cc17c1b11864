"""The bytes of one member of a zip archive, with a bound on what a header may claim."""

from __future__ import annotations

import struct
import zlib
from array import array
from bisect import bisect_left, bisect_right

from producer.sources.archives.archive_file import ArchiveFile
from producer.sources.archives.zip_directory import Entry

_HEADER, _HEADER_MARK = struct.Struct("<4s2B4HL2L2H"), b"PK\3\4"
_STORED, _DEFLATED = 0, 8
_CHUNK_BYTES = 1 << 20
#: What Deflate adds at most to data that it cannot make smaller: more is a member that lies.
_ADDED_SHARE, _ADDED_BYTES = 100, 1 << 16


class BadMember(Exception):
    """A member without the bytes that the directory promises."""


def content(file: ArchiveFile, entry: Entry, end: int) -> bytes:
    """The bytes of a member whose data end before `end`. At most its size is held, and a chunk.
    Raises BadMember, OSError."""
    start = _data_start(file, entry)
    if start + entry.packed_bytes > end:
        raise BadMember  # it overlaps the next member
    if entry.method == _STORED:
        data = _stored(file, start, entry)
    elif entry.method == _DEFLATED:
        data = _inflated(file, start, entry)
    else:
        raise BadMember
    if len(data) != entry.size or zlib.crc32(data) != entry.crc:
        raise BadMember
    return data


def head(file: ArchiveFile, entry: Entry, count: int) -> bytes:
    """The first bytes of a member; empty if it cannot be read. Raises OSError."""
    try:
        start = _data_start(file, entry)
        data = file.read(
            min(count if entry.method == _STORED else 4 * count, entry.packed_bytes), start
        )
        if entry.method == _DEFLATED:
            return zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, count)
    except (BadMember, zlib.error):
        return b""
    return data if entry.method == _STORED else b""


def _data_start(file: ArchiveFile, entry: Entry) -> int:
    header = file.read(_HEADER.size + len(entry.name), entry.header)
    if len(header) < _HEADER.size:
        raise BadMember
    mark, *_, name_bytes, extra_bytes = _HEADER.unpack_from(header)
    if (
        mark != _HEADER_MARK
        or header[_HEADER.size :] != entry.name
        or name_bytes != len(entry.name)
    ):
        raise BadMember
    return entry.header + _HEADER.size + len(entry.name) + int(extra_bytes)


def _stored(file: ArchiveFile, start: int, entry: Entry) -> bytes:
    if entry.packed_bytes != entry.size:
        raise BadMember
    return file.read(entry.size, start)


def _inflated(file: ArchiveFile, start: int, entry: Entry) -> bytes:
    if entry.packed_bytes > entry.size + entry.size // _ADDED_SHARE + _ADDED_BYTES:
        raise BadMember
    inflate = zlib.decompressobj(-zlib.MAX_WBITS)
    parts, left = [], entry.size + 1
    for at in range(start, start + entry.packed_bytes, _CHUNK_BYTES):
        packed = file.read(min(_CHUNK_BYTES, start + entry.packed_bytes - at), at)
        try:
            parts.append(inflate.decompress(packed, left))
        except zlib.error:
            raise BadMember from None
        left -= len(parts[-1])
        if left <= 0:
            raise BadMember  # it is larger than it claims
    if not inflate.eof:
        raise BadMember
    return b"".join(parts) if len(parts) > 1 else parts[0] if parts else b""


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
