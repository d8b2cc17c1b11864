"""The hot path: a grey PNG of exactly the network's size that contains nothing but pixels.

Pillow needs 31 us for a 28x28 PNG, of which the C decoder takes 5 and Python code the rest. Here
the file is compared with the only form that is accepted, and the decoder writes directly into an
array: 9 us. Any other file takes the general path, which produces the same pixels.
"""

from __future__ import annotations

import struct
import threading
import zlib

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_END = b"\0\0\0\0IEND\xaeB`\x82"
#: Signature and IHDR are 33 bytes; then come the length of IDAT, its name and its content.
_LENGTH, _NAME, _CONTENT = 33, 37, 41
_TAIL_BYTES = 4 + len(_END)  #: the checksum of IDAT, and IEND


class _Page:
    """An array and a Pillow image on the same memory, reused for every image."""

    def __init__(self, height: int, width: int) -> None:
        header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
        checksum = zlib.crc32(header).to_bytes(4, "big")
        self.head = _SIGNATURE + b"\0\0\0\x0d" + header + checksum
        self.pixels: NDArray[np.uint8] = np.zeros((height, width), np.uint8)
        self.image = Image.frombuffer("L", (width, height), self.pixels, "raw", "L", 0, 1)
        self.shared = self._is_shared()

    def _is_shared(self) -> bool:
        """Whether Pillow writes to the array's memory, which its documentation does not promise."""
        self.image.frombytes(b"\x5a" * self.pixels.size)
        return bool((self.pixels == 0x5A).all())


class _Pages(threading.local):
    """Pages by height and width; each thread has its own, since they are written to."""

    def __init__(self) -> None:
        self.by_size: dict[tuple[int, int], _Page] = {}


_pages = _Pages()


def read(data: bytes, out: NDArray[np.uint8]) -> bool:
    """Decode into `out`, uint8 [height, width, 1], if `data` has the accepted form and is complete.

    Otherwise returns False, and `out` is unchanged. Does not raise for any bytes.
    """
    page = _page(out.shape[0], out.shape[1])
    end = len(data) - _TAIL_BYTES
    if not data.startswith(page.head) or data[_NAME:_CONTENT] != b"IDAT" or data[-12:] != _END:
        return False
    if int.from_bytes(data[_LENGTH:_NAME], "big") != end - _CONTENT or not page.shared:
        return False
    if zlib.crc32(data[_NAME:end]) != int.from_bytes(data[end : end + 4], "big"):
        return False
    return _inflate(data[_CONTENT:end], page, out)


def _inflate(content: bytes, page: _Page, out: NDArray[np.uint8]) -> bool:
    # A truncated stream must not expose rows of the previous image.
    page.pixels.fill(0)
    try:
        page.image.frombytes(content, "zip", "L", 0)
    except (ValueError, MemoryError):
        return False
    out[:, :, 0] = page.pixels
    return True


def _page(height: int, width: int) -> _Page:
    page = _pages.by_size.get((height, width))
    if page is None:
        page = _pages.by_size[height, width] = _Page(height, width)
    return page
