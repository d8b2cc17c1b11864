"""Damage to the boxes of a HEIC, to the headers of its HEVC data, and to their units."""

from __future__ import annotations

from random import Random

from tests.fuzz.bytewise import BYTEWISE, Damage, number, put
from tests.fuzz.damage_avif import CONTAINER

_LENGTH_BYTES = 4


def _headers(data: bytes, random: Random) -> bytes:
    """Damage the parameter sets, which state sizes, depths and the tools of the decoder."""
    at = data.find(b"hvcC") + 4 + 23
    flipped = random.randrange(at, at + 90)
    return put(data, flipped, bytes([data[flipped % len(data)] ^ 1 << random.randrange(8)]))


def _unit(data: bytes, random: Random) -> bytes:
    """Damage the length of a unit, its type, or the header of its slice."""
    units = _units(data)
    if not units:
        return data
    at = random.choice(units)
    what = random.randrange(3)
    if what == 0:
        return put(data, at, number(random).to_bytes(_LENGTH_BYTES, "big"))
    if what == 1:
        return put(data, at + _LENGTH_BYTES, bytes([random.randrange(64) << 1]))
    flipped = at + _LENGTH_BYTES + 2 + random.randrange(6)
    return put(data, flipped, bytes([random.randrange(256)]))


def _slices(data: bytes, random: Random) -> bytes:
    """Damage the coded samples within the units, whose lengths stay."""
    start = data.find(b"mdat") + 4 + _LENGTH_BYTES + 3
    if start >= len(data):
        return data
    at = random.randrange(start, len(data))
    return put(data, at, random.randbytes(random.choice((1, 1, 2, 8))))


def _doubled_unit(data: bytes, random: Random) -> bytes:
    units = _units(data)
    if len(units) < 2:
        return data
    first, last = sorted(random.sample(units, 2))
    return data[:last] + data[first:last] + data[last:]


def _units(data: bytes) -> list[int]:
    """The offsets of the units, of files whose data is nothing else."""
    at, found = data.find(b"mdat") + 4, list[int]()
    while 4 < at < len(data) - _LENGTH_BYTES and len(found) < 100:
        found.append(at)
        at += _LENGTH_BYTES + int.from_bytes(data[at : at + _LENGTH_BYTES], "big")
    return found


def _bytewise(data: bytes, random: Random) -> bytes:
    return random.choice(BYTEWISE)(data, random)


HEIF: tuple[Damage, ...] = (
    *CONTAINER, _headers, _headers, _unit, _unit, _slices, _slices, _slices, _doubled_unit,
    _bytewise,
)  # fmt: skip
