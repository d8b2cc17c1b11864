"""Encoders for files that ordinary programs do not write."""

from __future__ import annotations

import functools
import io
import struct
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[Any]
#: Orientation (EXIF 2.3, tag 274) -> the pixels as a camera stores them.
STORED: dict[int, Callable[[Pixels], Pixels]] = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, 1),
    7: lambda a: np.rot90(a, 2).swapaxes(0, 1),
    8: lambda a: np.rot90(a, -1),
}
#: TIFF's types by number: their struct format.
_TIFF_TYPES = {1: "B", 3: "H", 4: "I", 7: "B", 9: "i"}
#: Adam7: first row, first column, row step, column step of each pass.
_PASSES = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2),
           (1, 0, 2, 1))  # fmt: skip


def save(image: Image.Image, kind: str, **options: Any) -> bytes:
    """The image encoded in this Pillow format."""
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def turned(image: Pixels, orientation: int, kind: str = "PNG", **options: Any) -> bytes:
    """`image` as a camera with this EXIF orientation stores it."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = np.ascontiguousarray(STORED[orientation](image))
    return save(Image.fromarray(stored), kind, exif=exif, **options)


def chunk(name: bytes, content: bytes) -> bytes:
    """A chunk of a PNG with its checksum."""
    check = zlib.crc32(name + content)
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", check)


def png(header: Sequence[int], deflated: bytes, *extra: bytes) -> bytes:
    """A PNG of width, height, depth, colour type and interlace; `extra` chunks before the rows."""
    width, height, depth, colour, interlace = header
    ihdr = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace)
    chunks = [chunk(b"IHDR", ihdr), *extra, chunk(b"IDAT", deflated), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def png_rows(samples: Pixels, depth: int, interlace: bool = False) -> bytes:
    """Deflated rows of samples [height, width, samples per pixel], unfiltered."""
    parts = [samples]
    if interlace:
        parts = [samples[y::dy, x::dx] for y, x, dy, dx in _PASSES]
    rows = (row for part in parts if part.size for row in part)
    return zlib.compress(b"".join(b"\0" + _packed(row.ravel(), depth) for row in rows))


def _packed(samples: Pixels, depth: int) -> bytes:
    if depth == 16:
        return samples.astype(">u2").tobytes()
    bits = np.unpackbits(samples.astype(np.uint8)[:, None], axis=1)[:, 8 - depth :]
    return np.packbits(bits).tobytes()


@functools.cache
def deflated_zeros(count: int) -> bytes:
    """`count` zero bytes, deflated in constant memory: one block, repeated."""
    whole, rest = divmod(count, 1 << 20)
    stream = zlib.compressobj(1, wbits=-zlib.MAX_WBITS)
    # After a full flush a block refers to nothing before it.
    block = stream.compress(bytes(1 << 20)) + stream.flush(zlib.Z_FULL_FLUSH)
    tail = stream.compress(bytes(rest)) + stream.flush()
    adler32 = (count % 65521) << 16 | 1  # of zeros (RFC 1950)
    return b"\x78\x01" + block * whole + tail + adler32.to_bytes(4, "big")


def tiff(tags: Mapping[int, tuple[int, Sequence[int]]], body: bytes, order: str = "<") -> bytes:
    """A TIFF of tag -> (type, values), then `body`; a value of -1 becomes the body's offset."""
    start = 10 + 12 * len(tags) + 4
    sizes = {tag: len(v) * struct.calcsize(_TIFF_TYPES[t]) for tag, (t, v) in tags.items()}
    body_at = start + sum(size for size in sizes.values() if size > 4)
    entries, tables = b"", b""
    for tag, (kind, values) in sorted(tags.items()):
        known = [body_at if value == -1 else value for value in values]
        content = struct.pack(f"{order}{len(known)}{_TIFF_TYPES[kind]}", *known)
        if len(content) > 4:
            at, tables = struct.pack(order + "I", start + len(tables)), tables + content
        else:
            at = content.ljust(4, b"\0")
        entries += struct.pack(order + "HHI", tag, kind, len(known)) + at
    magic = b"II*\0" if order == "<" else b"MM\0*"
    head = magic + struct.pack(order + "IH", 8, len(tags))
    return head + entries + bytes(4) + tables + body
