"""HEIC and HEIF: the primary image of a file, which is one HEVC image or a grid of them.

libheif reads what a container has of every item: derived images, metadata, profiles, sequences.
So the container (ISO/IEC 23008-12) is read here, and libheif gets each HEVC image in a file that is
written here and has nothing else. A grid with a damaged tile is damaged; libheif would leave the
tile black.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator, Sequence
from fractions import Fraction

import numpy as np
import pi_heif
from PIL import Image

from shared.errors import ImageError
from shared.image_status import Status
from worker.decoding.boxes import Box, Fields, Meta, boxes, only
from worker.decoding.letterbox import DecodedImage, Size
from worker.decoding.size_limits import check_pixels

#: Planes of up to 16 bits, a copy of them, and twice the colours in 8 bits.
MAX_HEIF_PIXELS = 50_000_000
#: Tiles may extend beyond the image.
_MAX_TILE_PIXELS = 2 * MAX_HEIF_PIXELS
#: Phones write 48 of 512x512, and 192 at 48 megapixels. For each a decoder is started.
_MAX_TILES = 1_000
#: A slice can be as short as a row of blocks.
_MAX_UNITS = 10_000
#: Of an item. Encoders write up to ten, each of them once.
_MAX_PROPERTIES = 64
#: A property that is copied; headers take a few hundred. Profiles are larger, but ignored.
_MAX_PROPERTY_BYTES = 1 << 16
# The other cores decode other images.
pi_heif.options.DECODE_THREADS = 0
_HEVC, _GRID = b"hvc1", b"grid"
_PICTURE = range(32)  #: the types of the units of a picture (H.265, table 7-1)
_LENGTH_BYTES = 4  #: of the length of a unit; libheif reads no other
_ALPHA = (b"urn:mpeg:hevc:2015:auxid:1\0", b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0")
#: EXIF's number by whether the image is mirrored left to right, and then turned left by quarters.
_ORIENTATIONS = ((1, 8, 3, 6), (2, 5, 4, 7))


def read(data: bytes) -> DecodedImage:
    """The decoded primary image. It is turned as the container says; its EXIF says it again.

    Raises:
        ImageError: `too_large`, `unreadable`, or `unsupported` for a file without a still image,
            and for one whose primary image is derived from others or not in HEVC.
        Exception: of any class that libheif's wrapper or a damaged container raises.
    """
    # Cameras append what is no box.
    meta = next((part for part in boxes(data, 0, len(data)) if part.name == b"meta"), None)
    if meta is None:
        raise ImageError(Status.UNSUPPORTED)
    file = _File(data, meta)
    image = file.image(file.primary)
    alpha = file.alpha_of(file.primary)
    if alpha is not None:
        image.putalpha(file.image(alpha).convert("L").resize(image.size))
    image, orientation = _transformed(image, file.properties[file.primary], data)
    return DecodedImage(image, orientation, image.size)


class _File:
    """The images of a file, by the numbers of their items."""

    def __init__(self, data: bytes, box: Box) -> None:
        self._data = data
        self._meta = Meta(data, box)
        parts = self._meta.parts
        self._places = dict(self._meta.places())
        self.properties = _properties(data, only(parts, b"iprp"))
        has_references = any(part.name == b"iref" for part in parts)
        self._references = _references(data, only(parts, b"iref")) if has_references else []
        fields = Fields(data, only(parts, b"pitm"))
        self.primary = fields.number(4 if fields.number(4) >> 24 else 2)

    def image(self, item: int) -> Image.Image:
        """The decoded pixels of an item, as L or RGB."""
        size, kind = self._size(item), self._meta.kinds[item]
        check_pixels(size, MAX_HEIF_PIXELS)
        if kind == _HEVC:
            return self._hevc(item, size)
        if kind != _GRID:
            raise ImageError(Status.UNSUPPORTED)
        return self._grid(item, size)

    def alpha_of(self, item: int) -> int | None:
        """The item with the transparency of another one."""
        for name, auxiliary, targets in self._references:
            if name == b"auxl" and item in targets:
                properties = self.properties.get(auxiliary, [])
                starts = [box.start + 4 for box in properties if box.name == b"auxC"]
                if any(self._data.startswith(_ALPHA, start) for start in starts):
                    return auxiliary
        return None

    def _grid(self, item: int, size: Size) -> Image.Image:
        fields = _of(self._meta.content(self._places[item]))
        flags = fields.number(2)
        rows, columns = fields.number(1) + 1, fields.number(1) + 1
        width = 4 if flags & 1 else 2
        lists = [to for name, source, to in self._references if (name, source) == (b"dimg", item)]
        tiles = [tile for found in lists for tile in found]
        if (fields.number(width), fields.number(width)) != size or len(tiles) != rows * columns:
            raise ImageError(Status.UNREADABLE)
        step = self._size(tiles[0])
        if len(tiles) > _MAX_TILES or step[0] * step[1] * len(tiles) > _MAX_TILE_PIXELS:
            raise ImageError(Status.TOO_LARGE)
        if step[0] * columns < size[0] or step[1] * rows < size[1]:
            raise ImageError(Status.UNREADABLE)
        image: Image.Image | None = None
        for number, tile in enumerate(tiles):
            part = self._hevc(tile, step)
            image = image or Image.new(part.mode, size)
            row, column = divmod(number, columns)
            image.paste(part, (column * step[0], row * step[1]))
        assert image is not None
        return image

    def _hevc(self, item: int, size: Size) -> Image.Image:
        """A coded image of this size; libheif refuses any other."""
        (header,) = self._named(item, b"hvcC")
        content = self._meta.content(self._places[item])
        _check_units(header, content)
        colours = self._named(item, b"colr", b"nclx")
        stated = _box(b"ispe", struct.pack(">III", 0, *size))
        image = _decoded(_alone([stated, header, *colours], content))
        if image.mode == "I;16":
            return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
        return image

    def _size(self, item: int) -> Size:
        (stated,) = self._named(item, b"ispe")
        width, height = struct.unpack_from(">II", stated, 12)
        return width, height

    def _named(self, item: int, name: bytes, start: bytes = b"") -> Iterator[bytes]:
        """The properties of this name that start so, each a whole box with its size in 32 bits."""
        for box in self.properties.get(item, []):
            if box.name == name and self._data.startswith(start, box.start):
                if box.end - box.start > _MAX_PROPERTY_BYTES:
                    raise ImageError(Status.TOO_LARGE)
                yield _box(name, self._data[box.start : box.end])


def _of(content: bytes) -> Fields:
    return Fields(content, Box(b"", 0, len(content)))


def _properties(data: bytes, box: Box) -> dict[int, list[Box]]:
    """The properties of each item, in their order."""
    parts = list(boxes(data, box.start, box.end))
    store = only(parts, b"ipco")
    stored = list(boxes(data, store.start, store.end))
    found: dict[int, list[Box]] = {}
    for part in parts:
        if part.name != b"ipma":
            continue
        fields = Fields(data, part)
        head = fields.number(4)
        number, index = (4 if head >> 24 else 2), (2 if head & 1 else 1)
        for _ in range(fields.number(4)):
            item, count = fields.number(number), fields.number(1)
            if item in found or count > _MAX_PROPERTIES:
                raise ImageError(Status.UNREADABLE)
            own = found[item] = []
            for _ in range(count):
                # The highest bit says that a reader needs to know the property.
                if place := fields.number(index) & (1 << 8 * index - 1) - 1:
                    own.append(stored[place - 1])
    return found


def _references(data: bytes, box: Box) -> list[tuple[bytes, int, list[int]]]:
    """The name of each reference, the item that has it, and the items that it names."""
    size = 4 if data[box.start] else 2
    found = []
    for part in boxes(data, box.start + 4, box.end):
        fields = Fields(data, part)
        source = fields.number(size)
        found.append((part.name, source, [fields.number(size) for _ in range(fields.number(2))]))
    return found


def _check_units(header: bytes, content: bytes) -> None:
    """Refuse data that are not the units of exactly one picture."""
    if (header[8 + 21] & 3) + 1 != _LENGTH_BYTES:
        raise ImageError(Status.UNSUPPORTED)
    at = pictures = 0
    for _ in range(_MAX_UNITS):
        if at == len(content):
            break
        kind = content[at + _LENGTH_BYTES] >> 1 & 63
        if kind in _PICTURE:
            pictures += content[at + _LENGTH_BYTES + 2] >> 7  # its first slice
        at += _LENGTH_BYTES + int.from_bytes(content[at : at + _LENGTH_BYTES], "big")
    if at != len(content) or pictures != 1:
        raise ImageError(Status.UNREADABLE)


def _alone(properties: Sequence[bytes], content: bytes) -> bytes:
    """A file with one HEVC image."""
    kind = _box(b"ftyp", b"heic", bytes(4), b"mif1heic")
    places = bytes(range(1, len(properties) + 1))
    meta = [
        _box(b"hdlr", bytes(8), b"pict", bytes(13)),
        _box(b"pitm", bytes(4), b"\0\1"),
        _box(b"iinf", bytes(4), b"\0\1", _box(b"infe", b"\2\0\0\0", b"\0\1\0\0", _HEVC, b"\0")),
        _box(
            b"iprp",
            _box(b"ipco", *properties),
            _box(b"ipma", bytes(4), b"\0\0\0\1\0\1", bytes([len(places)]), places),
        ),
    ]
    table = struct.Struct(">4xHHHHHII")
    start = len(kind) + 12 + sum(map(len, meta)) + 8 + table.size + 8
    meta.append(_box(b"iloc", table.pack(0x4400, 1, 1, 0, 1, start, len(content))))
    head = _box(b"meta", bytes(4), *meta)
    return b"".join((kind, head, struct.pack(">I4s", 8 + len(content), b"mdat"), content))


def _decoded(file: bytes) -> Image.Image:
    image: Image.Image = pi_heif.HeifImageFile(io.BytesIO(file))
    check_pixels(image.size, MAX_HEIF_PIXELS)
    try:
        image.load()
    except RuntimeError as error:  # libheif lacks memory
        raise ImageError(Status.TOO_LARGE) from error
    return image


def _box(name: bytes, *parts: bytes) -> bytes:
    content = b"".join(parts)
    return struct.pack(">I4s", 8 + len(content), name) + content


def _transformed(
    image: Image.Image, properties: Sequence[Box], data: bytes
) -> tuple[Image.Image, int]:
    """The image cropped, and the orientation that the container states, as EXIF numbers it."""
    mirrored, turns, is_cropped = 0, 0, False
    for box in properties:
        if box.name == b"irot":
            turns += data[box.start] & 3
        elif box.name == b"imir":
            # Left to right, or top to bottom: the former and two quarters.
            mirrored, turns = 1 - mirrored, (0 if data[box.start] & 1 else 2) - turns
        elif box.name == b"clap":
            if is_cropped or mirrored or turns:  # as no encoder may write it
                raise ImageError(Status.UNSUPPORTED)
            is_cropped = True
            image = image.crop(_aperture(image.size, data[box.start : box.end]))
    return image, _ORIENTATIONS[mirrored][turns % 4]


def _aperture(size: Size, content: bytes) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of the part of the image that is displayed."""
    numbers = struct.unpack(">IIIIiIiI", content)
    width, height, right, down = map(Fraction, numbers[::2], numbers[1::2])
    left, top = (size[0] - width) / 2 + right, (size[1] - height) / 2 + down
    box = round(left), round(top), round(left + width), round(top + height)
    if not (0 <= box[0] < box[2] <= size[0] and 0 <= box[1] < box[3] <= size[1]):
        raise ImageError(Status.UNREADABLE)
    return box
