"""A batch as the journal keeps it: which files, and how to tell whether they are still the same."""

from __future__ import annotations

import msgspec

from producer.fold import Place, pack, unpack
from producer.reader import STAMP
from producer.records import Record
from shared.reference import Stamp


class Frozen(msgspec.Struct, frozen=True):
    """A batch as it was frozen: its files never change again."""

    n: int
    argument: int
    names: list[bytes]
    stamps: list[Stamp]
    digests: bytes = b""  #: CRC-32 of each file's bytes, little-endian; empty: not known
    places: list[Place] = []  #: of a repeat: whose rows these are, in path order


def thawed(record: Record) -> Frozen:
    """The batch of a record."""
    return Frozen(
        record.n,
        record.argument,
        record.names.split(b"\0"),
        [(size, time) for size, time in STAMP.iter_unpack(record.stamps)],
        record.digests,
        unpack(record.places or b""),
    )


def recorded(batch: Frozen) -> Record:
    """The record of a batch that has no result yet."""
    return Record(
        batch.n,
        batch.argument,
        len(batch.names),
        b"\0".join(batch.names),
        b"".join(STAMP.pack(*stamp) for stamp in batch.stamps),
        batch.digests,
        pack(batch.places),
    )
