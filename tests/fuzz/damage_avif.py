"""Damage to the boxes of an AVIF and to the headers of its AV1 data."""

from __future__ import annotations

from random import Random

from tests.fuzz.bytewise import BYTEWISE, Damage, number, put, some_bytes
from tests.support.images.av1 import frame_header, long_sequence, short_sequence

_BOXES = (b"ftyp", b"meta", b"hdlr", b"pitm", b"iloc", b"iinf", b"infe", b"iprp", b"ipco", b"ispe",
          b"pixi", b"av1C", b"hvcC", b"colr", b"ipma", b"iref", b"dimg", b"auxC", b"irot", b"imir",
          b"clap", b"grid", b"mdat", b"moov", b"idat")  # fmt: skip


def _box(data: bytes, random: Random) -> int:
    """The offset of a box's name; -1 if there is none of this name."""
    return data.find(random.choice(_BOXES))


def _box_size(data: bytes, random: Random) -> bytes:
    at = _box(data, random)
    return data if at < 4 else put(data, at - 4, number(random).to_bytes(4, "big"))


def _box_field(data: bytes, random: Random) -> bytes:
    """Damage a field at the start of a box: version, count, width, number of an item."""
    at = _box(data, random)
    if at < 0:
        return data
    size = random.choice((1, 2, 4))
    return put(data, at + 4 + random.randrange(24), number(random, size).to_bytes(size, "big"))


def _box_name(data: bytes, random: Random) -> bytes:
    at = _box(data, random)
    return data if at < 0 else put(data, at, random.choice(_BOXES))


def _frame_size(data: bytes, random: Random) -> bytes:
    """Change the size in the container, which then differs from that of the pixels."""
    at = data.find(b"ispe")
    return data if at < 0 else put(data, at + 8 + 4 * random.randrange(2), _side(random))


def _side(random: Random) -> bytes:
    return random.choice((1, 27, 63, 65, 4_000, 16_384, 32_769)).to_bytes(4, "big")


def _obus(data: bytes, random: Random) -> bytes:
    """Put headers of AV1 over the start of the pixels, or damage what is there."""
    at = data.find(b"mdat") + 4 + random.choice((0, 0, 2, 13, random.randrange(64)))
    if at < 4:
        return data
    side, other = (1 << random.randrange(1, 16) for _ in range(2))
    headers = (short_sequence(side, other), long_sequence(side, other, random.choice((0, 5))),
               frame_header(bool(random.randrange(2))), some_bytes(random))  # fmt: skip
    field = random.choice(headers)
    return put(data, at, field) if random.random() < 0.5 else data[:at] + field + data[at:]


def _pixels(data: bytes, random: Random) -> bytes:
    at = data.find(b"mdat") + 4
    return data if at < 4 else data[:at] + random.choice(BYTEWISE)(data[at:], random)


CONTAINER: tuple[Damage, ...] = (
    _box_size, _box_field, _box_field, _box_name, _frame_size, _pixels,
)  # fmt: skip
AVIF = (*CONTAINER, _obus, _obus)
