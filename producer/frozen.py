"""A batch as the journal keeps it: which files, and how to tell whether they are still the same."""

from __future__ import annotations

import msgspec

from producer.fold import Place, unpack
from producer.journal_file import blob
from producer.reader import STAMP
from shared.reference import Stamp


class Frozen(msgspec.Struct, frozen=True):
    """A batch as it was frozen: its files never change again."""

    n: int
    argument: int
    names: list[bytes]
    stamps: list[Stamp]
    digests: bytes = b""  #: CRC-32 of each file's bytes, little-endian; empty: not known
    places: list[Place] = []  #: of a repeat: whose rows these are, in path order


def thawed(
    n: int, argument: int, names: object, stamps: object, digests: object, places: object
) -> Frozen:
    """From the columns of a record. Raises sqlite3.DatabaseError, or struct.error, if damaged."""
    return Frozen(
        n,
        argument,
        blob(names).split(b"\0"),
        [(size, time) for size, time in STAMP.iter_unpack(blob(stamps))],
        b"" if digests is None else blob(digests),
        [] if places is None else unpack(blob(places)),
    )
