"""BMP, WebP and GIF, which Pillow decodes once their size is checked; of an animation the first
frame.

A GIF is passed without the comments and extensions before that frame: Pillow stores each block of a
comment, up to 33 million in a file of 64 MiB (21 s and 2.8 GB).
"""

from __future__ import annotations

import io

from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.WebPImagePlugin import WebPImageFile

from shared.errors import ImageError
from shared.image_status import Status
from worker.decoding.size_limits import check_pixels

#: Pillow decodes these in Python, 1 us for 2 bytes and for each skipped pixel.
MAX_RUN_LENGTH_BMP = 10_000_000
_RUN_LENGTH = (BmpImageFile.COMPRESSIONS["RLE8"], BmpImageFile.COMPRESSIONS["RLE4"])
#: Pillow decodes every WebP as an animation: 16 bytes per pixel.
MAX_WEBP_PIXELS = 50_000_000
_HEADER_BYTES = 13
_FRAME, _EXTENSION = b","[0], b"!"[0]
#: The extension that names the transparent colour of the frame that follows.
_CONTROL = b"!\xf9"
#: A file of 64 MiB has 262,144 full blocks.
_MAX_BLOCKS = 300_000


def read_bmp(data: bytes) -> BmpImageFile:
    """The decoded image.

    Raises:
        ImageError: `too_large`.
        Exception: of any class that Pillow raises for a damaged file.
    """
    image = BmpImageFile(io.BytesIO(data))
    check_pixels(image.size)
    if image.info["compression"] in _RUN_LENGTH:
        check_pixels(image.size, MAX_RUN_LENGTH_BMP)
        if len(data) > MAX_RUN_LENGTH_BMP:
            raise ImageError(Status.TOO_LARGE)
    image.load()
    return image


def read_webp(data: bytes) -> WebPImageFile:
    """The decoded image.

    Raises:
        ImageError: `too_large`.
        Exception: of any class that Pillow raises for a damaged file.
    """
    image = WebPImageFile(io.BytesIO(data))
    check_pixels(image.size, MAX_WEBP_PIXELS)
    image.load()
    return image


def read_gif(data: bytes) -> GifImageFile:
    """The decoded first frame on its canvas.

    Raises:
        ImageError: `too_large`, or `unreadable` if no frame is found.
        Exception: of any class that Pillow raises for a damaged file.
    """
    palette_end = _palette_end(data)
    frame, control = _first_frame(data, palette_end)
    image = GifImageFile(io.BytesIO(data[:palette_end] + control + data[frame:]))
    check_pixels(image.size)
    image.load()
    return image


def _palette_end(data: bytes) -> int:
    flags = data[10]
    return _HEADER_BYTES + (3 << (flags & 7) + 1 if flags & 0x80 else 0)


def _first_frame(data: bytes, at: int) -> tuple[int, bytes]:
    """The offset in bytes of the first frame, and the control extension that applies to it."""
    control = b""
    for _ in range(_MAX_BLOCKS):
        if data[at] == _FRAME:
            return at, control
        if data[at] != _EXTENSION:
            break
        end = _blocks_end(data, at + 2)
        control = data[at:end] if data.startswith(_CONTROL, at) else control
        at = end
    raise ImageError(Status.UNREADABLE)


def _blocks_end(data: bytes, at: int) -> int:
    for _ in range(_MAX_BLOCKS):
        length = data[at]
        at += 1 + length
        if not length:
            return at
    raise ImageError(Status.UNREADABLE)
