"""AVIF: the still image of a file, also of an animation.

libavif allocates what the AV1 data asks for, whatever size the container states: 268 megapixels at
6 bytes each, and again for transparency. So the container (ISO/IEC 14496-12, AVIF 1.1) is read here
first, and the sizes in the headers of the AV1 data.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence

from PIL import AvifImagePlugin
from PIL.AvifImagePlugin import AvifImageFile

from shared.errors import ImageError
from shared.image_status import Status
from worker.decoding.av1_headers import frame_sizes
from worker.decoding.boxes import Box, Meta, boxes, only
from worker.decoding.size_limits import check_pixels

#: Planes of up to 16 bits with transparency, and two copies in 8 bits: 16 bytes per pixel.
MAX_AVIF_PIXELS = 50_000_000
# One thread for each image: the other cores decode other images.
AvifImagePlugin.DEFAULT_MAX_THREADS = 1


def read(data: bytes) -> AvifImageFile:
    """The decoded image. A rotation in the container becomes an EXIF orientation.

    Raises:
        ImageError: `too_large`, `unreadable` for a damaged container, or `unsupported` where
            Pillow was built without libavif.
        Exception: of any class that Pillow raises for a damaged file.
    """
    if not AvifImagePlugin.SUPPORTED:
        raise ImageError(Status.UNSUPPORTED)
    parts = list(boxes(data, 0, len(data)))
    for content in _av1_data(data, only(parts, b"meta")):
        for size in frame_sizes(content):
            check_pixels(size, MAX_AVIF_PIXELS)
    image = AvifImageFile(io.BytesIO(_still(data, parts)))
    check_pixels(image.size, MAX_AVIF_PIXELS)
    image.load()
    return image


def _still(data: bytes, parts: Sequence[Box]) -> bytes:
    """The file without its animation, whose frames have other places and sizes."""
    movies = [box.start for box in parts if box.name == b"moov"]
    if not movies and data[8:12] != b"avis":
        return data
    alone = bytearray(data)
    alone[8:12] = b"avif"
    for start in movies:
        name = alone.rindex(b"moov", 0, start)  # before a size of 64 bits, if there is one
        alone[name : name + 4] = b"free"
    types = next(box for box in parts if box.name == b"ftyp")
    alone[types.start : types.end] = alone[types.start : types.end].replace(b"avis", b"miaf")
    return bytes(alone)


def _av1_data(data: bytes, box: Box) -> Iterator[bytes]:
    """The data of each AV1 image in a file: the colours, their transparency, or tiles of a grid."""
    meta = Meta(data, box)
    for item, place in meta.places():
        if meta.kinds.get(item) == b"av01":
            yield meta.content(place)
