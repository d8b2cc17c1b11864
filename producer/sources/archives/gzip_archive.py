"""A tar archive that gzip has compressed: read in its own order, in one pass.

Each reader of the members has a tape of its own. A member's bytes come from the tape that has just
come to its header; any other member costs a second tape, which goes forward, or back to a state of
the decompressor, of which there is a bounded number.
"""

from __future__ import annotations

import zlib
from bisect import bisect_right
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from producer.sources.archives.archive import (
    BAD,
    Archive,
    ArchiveDamaged,
    ArchiveFile,
    Bounds,
    Member,
    is_refused,
    row_name,
)
from producer.sources.archives.tar_archive import (
    Tape,
    TarMember,
    TarReader,
    read_member,
)
from producer.sources.folder_walk import FOLDER
from shared.image_formats import HEAD_BYTES
from shared.image_status import Status

_CHUNK_BYTES = 1 << 17
#: The end of a compressed file.
_CHECKSUM_BYTES = 8
_SKIP_BYTES = 1 << 20
#: Unpacked at a time, since headers are small.
_BUFFER_BYTES = 1 << 16
#: A decompressor that reads gzip's header and checksum itself.
_GZIP_BITS, _MAGIC = 16 + zlib.MAX_WBITS, b"\x1f\x8b"
#: States of the decompressor, of some 50 kB each, and their first distance.
_STATES_MAX, _APART_BYTES = 64, 1 << 20
#: What a compressed archive may unpack to: more for each of its bytes is a bomb. Images that are
#: not compressed themselves may be large, so a part is free.
RATIO_MAX, FREE_BYTES = 200, 1 << 30
#: A member's place and number in one integer, since there may be a million.
_NUMBER_BITS = 20
_NUMBER_MASK = (1 << _NUMBER_BITS) - 1


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

    def last_before(self, position: int) -> _State:
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
        self._start_from(states.last_before(0))

    def read(self, count: int) -> bytes:
        parts, left = [], count
        while left and (part := self._unpacked(left)):
            parts.append(part)
            left -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def seek(self, position: int) -> None:
        start = self.position - self._taken
        if start <= position <= start + len(self._buffer):  # also from a file's head to its start
            self.position, self._taken = position, position - start
            return
        nearest = self._states.last_before(position)
        if position < self.position or nearest.position > self.position:
            self._start_from(nearest)
        while self.position < position:
            if not self._unpacked(min(_SKIP_BYTES, position - self.position)):
                return

    def check_rest(self) -> None:
        """Read what follows the last member, since the checksum comes last. Raises as `read`."""
        while self._unpacked(_SKIP_BYTES):
            pass

    def _start_from(self, state: _State) -> None:
        self.position, self._packed_at = state.position, state.packed_at
        self._inflate = state.inflate.copy()
        self._packed = self._buffer = b""
        self._taken = 0

    def _unpacked(self, most: int) -> bytes:
        """Some bytes, at least one; none at the end."""
        if self._taken == len(self._buffer):
            kept = self._buffer[-HEAD_BYTES:] if most <= HEAD_BYTES else b""
            self._buffer = kept + self._decompressed(max(most, _BUFFER_BYTES))
            self._taken = len(kept)
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
            packed = self._packed or self._next_packed()
            try:
                data: bytes = self._inflate.decompress(packed, most)
            except zlib.error:
                raise ArchiveDamaged("its compressed data are damaged") from None
            self._packed = self._inflate.unconsumed_tail
            if data:
                return data
            if not packed:
                raise ArchiveDamaged("its compressed data are cut off")

    def _next_packed(self) -> bytes:
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
        rest = (self._inflate.unused_data or self._next_packed()).lstrip(b"\0")
        while len(rest) < len(_MAGIC) and (more := self._next_packed()):
            rest = (rest + more).lstrip(b"\0")
        if not rest.startswith(_MAGIC):
            return False
        self._inflate, self._packed = zlib.decompressobj(_GZIP_BITS), rest
        return True


class _Passed(NamedTuple):
    """The member that any reader came to last, and its tape."""

    row: bytes
    there: TarMember
    tape: GzipTape


class GzipArchive(Archive):
    """Members in the archive's order. Where those are that were passed is known."""

    is_sorted = False

    def __init__(self, file: ArchiveFile, check: Callable[[], None]) -> None:
        super().__init__(file, check)
        self._states, self._places, self._bounds = States(), dict[int, int](), Bounds()
        self._known = 0  #: the number of members whose places are known
        self._last: _Passed | None = None
        self._search = self._members_from(0, 0)
        self._second = TarReader(self._new_tape(), self._place_of)
        next(self._search, None)  # reads the first member: raises if the file is no such archive

    def members(self, after: bytes) -> Iterator[tuple[bytes, Member]]:
        start = number = 0
        if after:
            last = self.find(after)
            if last is None:
                raise ArchiveDamaged("it was changed since the job started")
            number = last.number
            start = self._second.member_at(last.place).next
        for row, there in self._members_from(start, number):
            yield row, there.member

    def find(self, row: bytes) -> Member | None:
        if (last := self._last_of(row)) is not None:
            return last.there.member
        while (
            not (packed := self._places.get(hash(row), 0)) and next(self._search, None) is not None
        ):
            pass
        if not packed:
            return None
        member = self._second.member_at(packed >> _NUMBER_BITS).member
        return member._replace(number=packed & _NUMBER_MASK, is_repeat=is_refused(row))

    def content(self, row: bytes, member: Member, most: int) -> bytes | Status:
        count = min(most, member.size)
        try:
            tape, there = self._reader(row, member)
            tape.seek(there.data)
            data = tape.read(count)
        except ArchiveDamaged:
            return BAD
        return BAD if there.is_sparse or len(data) < count else data

    def close(self) -> None:
        self._search = iter(())

    def _reader(self, row: bytes, member: Member) -> tuple[Tape, TarMember]:
        """A tape that is at a member, or comes to it."""
        last = self._last_of(row)
        if last is None:
            return self._second.tape, self._second.member_at(member.place)
        # Data follow their header, but those of a hard link are earlier in the archive.
        tape = last.tape if last.there.data > member.place else self._second.tape
        return tape, last.there

    def _last_of(self, row: bytes) -> _Passed | None:
        return self._last if self._last is not None and self._last.row == row else None

    def _place_of(self, row: bytes) -> int | None:
        packed = self._places.get(hash(row), 0)
        return packed >> _NUMBER_BITS if packed else None

    def _new_tape(self) -> GzipTape:
        return GzipTape(self.file, self._states, self.check)

    def _members_from(self, start: int, number: int) -> Iterator[tuple[bytes, TarMember]]:
        """The members from a position on, where one of this number ends."""
        tape = self._new_tape()
        try:
            while (there := read_member(tape, start)) is not None:
                number, start = number + 1, there.next
                if there.member.kind is FOLDER:
                    self._is_first_pass(there.member, number)
                    continue
                there = self._second.resolved(there)
                member = self._numbered(there.member, number)
                row, there = row_name(member), there._replace(member=member)
                self._last = _Passed(row, there, tape)
                yield row, there
            tape.check_rest()
        except ArchiveDamaged as error:
            if not start:
                raise
            self.damage = str(error)

    def _is_first_pass(self, member: Member, number: int) -> bool:
        """Whether this is the first pass that comes to a member. Raises ArchiveDamaged."""
        if number <= self._known:
            return False
        self._known = self._bounds.count(member)
        return True

    def _numbered(self, member: Member, number: int) -> Member:
        """The member with its number, and whether another has its name."""
        is_new = self._is_first_pass(member, number)
        alone = member._replace(number=number)
        row = row_name(alone)
        packed = self._places.get(hash(row), 0)
        if packed and packed & _NUMBER_MASK != number:
            alone = alone._replace(is_repeat=True)
            row = row_name(alone)
        if is_new:
            self._places[hash(row)] = member.place << _NUMBER_BITS | number
        return alone
