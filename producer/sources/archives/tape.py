"""The bytes of a tar archive from any position on: of a plain file, or unpacked on the way.

A compressed file is read forward. To go back it starts at the nearest of some states of the
decompressor, whose number is bounded.
"""

from __future__ import annotations

import zlib
from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Callable
from typing import Any, NamedTuple

from producer.sources.archives.archive_file import ArchiveFile
from producer.sources.archives.members import ArchiveDamaged

_CHUNK_BYTES = 1 << 17
#: The end of a compressed file.
_CHECKSUM_BYTES = 8
_SKIP_BYTES = 1 << 20
#: Unpacked at a time: headers are small, and a step back within it costs nothing.
_BUFFER_BYTES = 1 << 16
#: A decompressor that reads gzip's header and checksum itself.
_GZIP_BITS, _MAGIC = 16 + zlib.MAX_WBITS, b"\x1f\x8b"
#: States of the decompressor, of some 50 kB each, and their first distance.
_STATES_MAX, _APART_BYTES = 64, 1 << 20
#: What a compressed archive may unpack to: more for each of its bytes is a bomb. Images that are
#: not compressed themselves may be large, so a part is free.
RATIO_MAX, FREE_BYTES = 200, 1 << 30


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


class _State(NamedTuple):
    """A place in a compressed file from which it can be unpacked."""

    position: int  #: in what is unpacked
    packed_at: int  #: in the file
    inflate: Any  #: a decompressor; its type has no name


class States:
    """The places of one file, for all of its tapes."""

    def __init__(self) -> None:
        self._states = [_State(0, 0, zlib.decompressobj(_GZIP_BITS))]
        self._apart = _APART_BYTES

    def before(self, position: int) -> _State:
        """The last place before a position."""
        return self._states[bisect_right(self._states, position, key=lambda s: s.position) - 1]

    def offer(self, position: int, packed_at: int, inflate: Any) -> None:
        """Remember a place, if it is far enough from the last one."""
        if position < self._states[-1].position + self._apart:
            return
        self._states.append(_State(position, packed_at, inflate.copy()))
        if len(self._states) > _STATES_MAX:
            del self._states[1::2]
            self._apart *= 2


class GzipTape(Tape):
    """A file that gzip has compressed, also in several pieces."""

    def __init__(
        self, file: ArchiveFile, states: States, check: Callable[[], None] = lambda: None
    ) -> None:
        """`check` is called again and again, and may raise what ends the reading."""
        self._file, self._states, self._check = file, states, check
        self._buffer, self._taken = b"", 0
        self._go(states.before(0))

    def read(self, count: int) -> bytes:
        parts, left = [], count
        while left and (part := self._unpacked(left)):
            parts.append(part)
            left -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def seek(self, position: int) -> None:
        start = self.position - self._taken
        if start <= position <= start + len(self._buffer):
            self.position, self._taken = position, position - start
            return
        nearest = self._states.before(position)
        if position < self.position or nearest.position > self.position:
            self._go(nearest)
        while self.position < position:
            if not self._unpacked(min(_SKIP_BYTES, position - self.position)):
                return

    def check_rest(self) -> None:
        """Read what follows the last member, since the checksum comes last. Raises as `read`."""
        while self._unpacked(_SKIP_BYTES):
            pass

    def _go(self, state: _State) -> None:
        self.position, self._packed_at = state.position, state.packed_at
        self._inflate = state.inflate.copy()
        self._packed = self._buffer = b""
        self._taken = 0

    def _unpacked(self, most: int) -> bytes:
        """Some bytes, at least one; none at the end."""
        if self._taken == len(self._buffer):
            self._buffer, self._taken = self._decompressed(max(most, _BUFFER_BYTES)), 0
        part = self._buffer[self._taken : self._taken + most]
        self._taken += len(part)
        self.position += len(part)
        if self.position > FREE_BYTES + RATIO_MAX * self._packed_at:
            raise ArchiveDamaged(
                f"it unpacks to more than {RATIO_MAX} times its size, as no images do"
            )
        return part

    def _decompressed(self, most: int) -> bytes:
        while True:
            if self._inflate.eof and not self._next_piece():
                return b""
            packed = self._packed or self._more()
            try:
                data: bytes = self._inflate.decompress(packed, most)
            except zlib.error:
                raise ArchiveDamaged("its compressed data are damaged") from None
            self._packed = self._inflate.unconsumed_tail
            if data:
                return data
            if not packed and not self._inflate.eof:
                raise ArchiveDamaged("its compressed data are cut off")

    def _more(self) -> bytes:
        self._check()
        self._states.offer(self.position, self._packed_at, self._inflate)
        left = self._file.size - self._packed_at
        # A wrong checksum would cost what is unpacked with it.
        count = left - _CHECKSUM_BYTES if left > _CHECKSUM_BYTES else left
        data = self._file.read(min(_CHUNK_BYTES, max(count, 0)), self._packed_at)
        self._packed_at += len(data)
        return data

    def _next_piece(self) -> bool:
        """Start with the next piece of the file, if there is one: zeros or anything else after the
        last piece are none."""
        rest = (self._inflate.unused_data or self._more()).lstrip(b"\0")
        while len(rest) < len(_MAGIC) and (more := self._more()):
            rest = (rest + more).lstrip(b"\0")
        if not rest.startswith(_MAGIC):
            return False
        self._inflate, self._packed = zlib.decompressobj(_GZIP_BITS), rest
        return True
