"""The general path for PNG: this module reads the container, Pillow's C decoder the pixels.

Only the chunks that affect the pixels are read, and their checksums verified. So an image is not
refused for a long text or profile, which is never decompressed, and of an animation only the still
image is read.
"""

from __future__ import annotations

import struct
import zlib
from typing import NamedTuple

from PIL import Image

from shared.errors import ImageError
from shared.image_status import Status
from worker.decoding.size_limits import check_pixels

_FIRST_CHUNK = 8  #: bytes of the signature
#: A 64 MiB file has 8,192 chunks of the common 8 KiB; without a limit it could have 5 million.
_MAX_CHUNKS = 100_000
_NEEDED = {b"IHDR", b"PLTE", b"tRNS", b"eXIf", b"IDAT", b"IEND"}
#: Bit depth and colour type -> Pillow's mode and raw mode.
_MODES = {
    (1, 0): ("1", "1"),
    (2, 0): ("L", "L;2"),
    (4, 0): ("L", "L;4"),
    (8, 0): ("L", "L"),
    (16, 0): ("I;16", "I;16B"),
    (8, 2): ("RGB", "RGB"),
    (16, 2): ("RGB", "RGB;16B"),
    (1, 3): ("P", "P;1"),
    (2, 3): ("P", "P;2"),
    (4, 3): ("P", "P;4"),
    (8, 3): ("P", "P"),
    (8, 4): ("LA", "LA"),
    (16, 4): ("RGBA", "LA;16B"),
    (8, 6): ("RGBA", "RGBA"),
    (16, 6): ("RGBA", "RGBA;16B"),
}


_Chunks = dict[bytes, list[memoryview]]


class _Header(NamedTuple):
    width: int
    height: int
    depth: int  #: bits per sample
    colour: int
    interlace: int


def read(data: bytes) -> Image.Image:
    """The decoded image, with the EXIF block and the transparency in its `info`.

    Raises:
        ImageError: `too_large`, or `unreadable` for a damaged container.
        ValueError, OSError, struct.error: the pixels or the header are damaged.
    """
    chunks = _chunks(memoryview(data))
    header = _Header._make(struct.unpack(">IIBBxxB", chunks[b"IHDR"][0]))
    size = (header.width, header.height)
    check_pixels(size)
    mode, raw = _MODES[header.depth, header.colour]
    pixels = b"".join(chunks[b"IDAT"])
    image = Image.frombytes(mode, size, pixels, "zip", raw, header.interlace)
    _set_metadata(image, header, chunks)
    return image


def _chunks(data: memoryview) -> _Chunks:
    """The content of every needed chunk, by name. A file without IEND is damaged."""
    chunks: _Chunks = {}
    at = _FIRST_CHUNK
    for _ in range(_MAX_CHUNKS):
        length, name = struct.unpack_from(">I4s", data, at)
        end = at + 8 + length
        if name in _NEEDED:
            if zlib.crc32(data[at + 4 : end]) != struct.unpack_from(">I", data, end)[0]:
                break
            chunks.setdefault(name, []).append(data[at + 8 : end])
        if name == b"IEND":
            return chunks
        at = end + 4
    raise ImageError(Status.UNREADABLE)


def _set_metadata(image: Image.Image, header: _Header, chunks: _Chunks) -> None:
    if image.mode == "P":
        image.putpalette(bytes(chunks[b"PLTE"][0]), "RGB")
    if b"tRNS" in chunks and image.mode in ("1", "L", "I;16", "RGB", "P"):
        image.info["transparency"] = _key(image.mode, header.depth, bytes(chunks[b"tRNS"][0]))
    if b"eXIf" in chunks:
        image.info["exif"] = bytes(chunks[b"eXIf"][0])


def _key(mode: str, depth_bits: int, content: bytes) -> bytes | int | tuple[int, ...]:
    """The alpha values of a palette, or the transparent colour in the values of the mode."""
    if mode == "P":
        return content
    if mode == "RGB":
        samples = struct.unpack(">HHH", content)
        return tuple(s >> 8 if depth_bits == 16 else s & 0xFF for s in samples)
    white = (1 << depth_bits) - 1
    sample = int.from_bytes(content[:2], "big") & white
    return sample if depth_bits == 16 else sample * 255 // white
