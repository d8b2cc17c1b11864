"""HEIF files of any items, also of those that no encoder writes (ISO/IEC 23008-12).

Their pictures hold samples without a transform (tests/support/images/hevc.py). Those in heic/ are
coded: x265 4.3, through pillow-heif 1.8.1, which is no dependency since x265 has the GPL, encoded
gradients, a disc and a word that Pillow drew, 128x96, as four tiles of 64x64 at quality 60, and
whole in 10 bits. `largest.heic` is one colour: 8192x6100 pixels in 10 bits, and as many of
transparency.
"""

from __future__ import annotations

import lzma
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tests.support.images.boxes import box, file_type, full_box
from tests.support.images.encoders import STORED
from tests.support.images.hevc import Picture, coded

#: A reference: its name, the item that has it, and those that it names.
References = Sequence[tuple[bytes, int, Sequence[int]]]
BRANDS = (b"heic", b"mif1", b"heic")
ALPHA = b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0"
DEPTH = b"urn:mpeg:hevc:2015:auxid:2\0"
_FOLDER = Path(__file__).parent / "heic"
#: EXIF's orientation -> whether the container mirrors left to right, and its turns to the left.
_TURNS = {1: (0, 0), 2: (1, 0), 3: (0, 2), 4: (1, 2), 5: (1, 1), 6: (0, 3), 7: (1, 3), 8: (0, 1)}


class Item(NamedTuple):
    """An item of a file. Its number is its place among them, from 1."""

    kind: bytes
    content: bytes
    properties: Sequence[bytes] = ()


def heif(
    items: Sequence[Item],
    references: References = (),
    primary: int = 1,
    brands: Sequence[bytes] = BRANDS,
    copies: int = 1,
) -> bytes:
    """A file of these items. The data of each are listed `copies` times."""
    names = [
        full_box(b"infe", 2, 0, struct.pack(">HH", number, 0), item.kind, b"\0")
        for number, item in enumerate(items, 1)
    ]
    stored = [one for item in items for one in item.properties]
    meta = [
        full_box(b"hdlr", 0, 0, bytes(4), b"pict", bytes(13)),
        full_box(b"pitm", 0, 0, struct.pack(">H", primary)),
        full_box(b"iinf", 0, 0, struct.pack(">H", len(items)), *names),
        box(b"iprp", box(b"ipco", *stored), _associations(items)),
        full_box(b"iref", 0, 0, *(_reference(*one) for one in references)),
    ]
    start = file_type(*brands)
    offset = len(start) + 12 + sum(map(len, meta)) + 16 + (6 + 8 * copies) * len(items) + 8
    table = b""
    for number, item in enumerate(items, 1):
        table += struct.pack(">HHH", number, 0, copies)
        table += struct.pack(">II", offset, len(item.content)) * copies
        offset += len(item.content)
    meta.append(full_box(b"iloc", 0, 0, struct.pack(">HH", 0x4400, len(items)), table))
    contents = (item.content for item in items)
    return start + full_box(b"meta", 0, 0, *meta) + box(b"mdat", *contents)


def of_picture(picture: Picture, *more: bytes) -> Item:
    """An item with a coded picture."""
    return Item(b"hvc1", picture.content, [size(*picture.size), picture.header, *more])


def grid(whole: tuple[int, int], columns: int, rows: int) -> Item:
    """An item of tiles, which it refers to as `dimg`."""
    content = struct.pack(">BBBBHH", 0, 0, rows - 1, columns - 1, *whole)
    return Item(b"grid", content, [size(*whole)])


def size(width: int, height: int) -> bytes:
    """The property of a size."""
    return full_box(b"ispe", 0, 0, struct.pack(">II", width, height))


def purpose(name: bytes) -> bytes:
    """The property of an auxiliary image."""
    return full_box(b"auxC", 0, 0, name)


def colours() -> bytes:
    """The property of colours as JPEG has them: BT.601, and the full range of values."""
    return box(b"colr", b"nclx", struct.pack(">HHHB", 1, 13, 6, 0x80))


def lossless(image: NDArray[np.uint8], *more: bytes) -> bytes:
    """A file of this grey image, without loss."""
    return heif([of_picture(coded([image.astype(np.uint16)]), colours(), *more)])


def turned_heif(image: NDArray[np.uint8], orientation: int) -> bytes:
    """A file of this grey image as a camera with this EXIF orientation stores it. Container and
    EXIF state how to turn it."""
    mirrored, turns = _TURNS[orientation]
    turn = [box(b"imir", b"\1")] * mirrored + [box(b"irot", bytes([turns]))] * (turns > 0)
    stored = np.ascontiguousarray(STORED[orientation](image)).astype(np.uint16)
    tiff = struct.pack(">2sHIHHHIHHI", b"MM", 42, 8, 1, 0x0112, 3, 1, orientation, 0, 0)
    exif = Item(b"Exif", struct.pack(">I", 6) + b"Exif\0\0" + tiff)
    return heif([of_picture(coded([stored]), colours(), *turn), exif], [(b"cdsc", 2, [1])])


def coded_files() -> dict[str, bytes]:
    """Name -> file of the coded pictures."""
    return {path.name: path.read_bytes() for path in sorted(_FOLDER.glob("*.heic"))}


def largest() -> bytes:
    """The file that takes most memory."""
    return lzma.decompress((_FOLDER / "largest.heic.xz").read_bytes())


def _reference(name: bytes, source: int, targets: Sequence[int]) -> bytes:
    return box(name, struct.pack(f">HH{len(targets)}H", source, len(targets), *targets))


def _associations(items: Sequence[Item]) -> bytes:
    """Each property of an item, with its place in the list of all."""
    table, place = b"", 1
    for number, item in enumerate(items, 1):
        places = range(place, place := place + len(item.properties))
        table += struct.pack(f">HB{len(places)}H", number, len(places), *places)
    return full_box(b"ipma", 0, 1, struct.pack(">I", len(items)), table)
