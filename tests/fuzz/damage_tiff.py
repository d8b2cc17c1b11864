"""Damage to a TIFF's first list of tags: kinds, counts, values and new tags."""

from __future__ import annotations

import struct
from random import Random
from typing import NamedTuple

from tests.fuzz.bytewise import Damage, number, put

#: Tags that decide what a decoder reads and how: sizes, layout, compression, predictor, tiles,
#: colour, samples, palettes, subsampling, JPEG tables, sub-lists, orientation.
_TAGS = (254, 255, 256, 257, 258, 259, 262, 266, 273, 274, 277, 278, 279, 284, 292, 293, 296, 317,
         318, 320, 322, 323, 324, 325, 330, 332, 338, 339, 347, 512, 513, 514, 529, 530, 531, 532,
         700, 33421, 34377, 34665, 34675, 34853, 37724, 40965, 50838, 65000)  # fmt: skip
_COMPRESSIONS = (1, 2, 3, 4, 5, 6, 7, 8, 32773, 32946, 34661, 34676, 34677, 34712, 34887, 34925,
                 50000, 50001, 50002)  # fmt: skip
_SMALL = (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 16, 24, 32, 64, 255)


class _List(NamedTuple):
    order: str
    big: bool
    first: int  #: offset of the first entry
    entries: int

    @property
    def entry_bytes(self) -> int:
        return 20 if self.big else 12

    @property
    def value_bytes(self) -> int:
        return 8 if self.big else 4

    def pack(self, size: int, value: int) -> bytes:
        return value.to_bytes(size, "little" if self.order == "<" else "big")


def _list(data: bytes) -> _List | None:
    if len(data) < 16:
        return None
    order, big = ("<" if data[:2] == b"II" else ">"), b"+" in data[:4]
    form = order + ("Q" if big else "I")
    (start,) = struct.unpack_from(form, data, 8 if big else 4)
    size = 8 if big else 2
    if start + size > len(data):
        return None
    (count,) = struct.unpack_from(order + ("Q" if big else "H"), data, start)
    return _List(order, big, start + size, min(count, 60))


def _entry(data: bytes, random: Random) -> bytes:
    """Damage one field of one entry."""
    tags = _list(data)
    if tags is None or not tags.entries:
        return data
    at = tags.first + tags.entry_bytes * random.randrange(tags.entries)
    what, size = random.randrange(4), tags.value_bytes
    if what == 0:
        return put(data, at, tags.pack(2, random.choice(_TAGS)))
    if what == 1:
        return put(data, at + 2, tags.pack(2, random.choice((*range(19), 129, 65535))))
    if what == 2:
        return put(data, at + 4, tags.pack(size, number(random, size)))
    return put(data, at + 4 + size, _value(tags, random))


def _value(tags: _List, random: Random) -> bytes:
    """A value or an offset; a short value is at the start of the field."""
    size = tags.value_bytes
    what = random.randrange(3)
    if what == 0:
        return tags.pack(size, number(random, size))
    short = random.choice(_SMALL if what == 1 else _COMPRESSIONS)
    return tags.pack(2, short).ljust(size, b"\0")


def _known(data: bytes, random: Random) -> bytes:
    """Give a tag in use another valid value: a small number or a known compression."""
    tags = _list(data)
    if tags is None:
        return data
    wanted = random.choice((256, 257, 258, 259, 259, 259, 262, 266, 274, 277, 278, 284, 317, 339))
    for i in range(tags.entries):
        at = tags.first + tags.entry_bytes * i
        if data[at : at + 2] == tags.pack(2, wanted):
            short = random.choice(_COMPRESSIONS if wanted == 259 else _SMALL)
            return put(data, at + 4 + tags.value_bytes, tags.pack(2, short))
    return data


def _more(data: bytes, random: Random) -> bytes:
    """Move the list to the end, add or repeat a tag, and maybe add a next list."""
    tags = _list(data)
    if tags is None:
        return data
    size, step = tags.value_bytes, tags.entry_bytes
    entries = [data[tags.first + step * i :][:step] for i in range(tags.entries)]
    tag, kind = random.choice(_TAGS), random.choice((1, 2, 3, 4, 5, 7, 12, 13, 16))
    count = random.choice((1, 1, 2, 4, number(random)))
    made = tags.pack(2, tag) + tags.pack(2, kind) + tags.pack(size, count) + _value(tags, random)
    entries.insert(random.randrange(len(entries) + 1), made)
    if random.random() < 0.5:
        entries.sort(key=lambda e: int.from_bytes(e[:2], "little" if tags.order == "<" else "big"))
    next_list = random.choice((0, 8, len(data), number(random)))
    head = tags.pack(8 if tags.big else 2, len(entries))
    tail = head + b"".join(entries) + tags.pack(size, next_list)
    return put(data, 8 if tags.big else 4, tags.pack(size, len(data))) + tail


TIFF: tuple[Damage, ...] = (_entry, _entry, _known, _known, _more)
