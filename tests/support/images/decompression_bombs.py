"""Small or valid files that cost a decoder unbounded memory or time."""

from __future__ import annotations

import struct
import zlib

import numpy as np
from PIL import Image

from shared.image_status import Status
from tests.support.images.av1 import avif, short_sequence, small_av1
from tests.support.images.boxes import file_type, full_box, many_places
from tests.support.images.encoders import chunk, deflated_zeros, png, save, tiff
from tests.support.images.heif import grid, heif, of_picture, size
from tests.support.images.hevc import coded, sized, unit
from tests.support.images.image_zoo import bomb, garment

_PIXELS = deflated_zeros(28 * 29)
_PLAIN = (28, 28, 8, 0, 0)
_HIDDEN_BYTES = 1 << 28
_HUGE_SIDE = 65_535

#: OK: the file contains a valid image beside the bomb, which must be classified.
Bombs = dict[str, tuple[bytes, Status]]


def bombs() -> Bombs:
    """Name -> the file and its expected status."""
    return pngs() | gifs() | tiffs() | others()


def pngs() -> Bombs:
    """Many pixels, and 256 MiB of text or profile behind a megabyte."""
    text = b"a\0\0" + deflated_zeros(_HIDDEN_BYTES)
    return {
        "pixels": (bomb(), Status.TOO_LARGE),
        "wide": (png((1 << 26, 1, 8, 0, 0), b""), Status.TOO_LARGE),
        "tall": (png((1, 1 << 26, 8, 0, 0), b""), Status.TOO_LARGE),
        "text": (png(_PLAIN, _PIXELS, chunk(b"zTXt", text)), Status.OK),
        "profile": (png(_PLAIN, _PIXELS, chunk(b"iCCP", text)), Status.OK),
        "chunks": (png(_PLAIN, _PIXELS, *[chunk(b"tEXt", b"")] * 200_000), Status.UNREADABLE),
        "longer": (png(_PLAIN, deflated_zeros(_HIDDEN_BYTES)), Status.OK),
    }


def gifs() -> Bombs:
    """A canvas, a frame, and a frame to be cleared, of 4.3 gigapixels; a million comments."""
    note = b"!\xfe" + b"\1a" * 1_000_000 + b"\0"
    return {
        "canvas": (_gif((_HUGE_SIDE, _HUGE_SIDE), (1, 1)), Status.TOO_LARGE),
        "frame": (_gif((10, 10), (_HUGE_SIDE, _HUGE_SIDE)), Status.TOO_LARGE),
        "cleared": (_gif((10, 10), (_HUGE_SIDE, _HUGE_SIDE), disposal=2), Status.TOO_LARGE),
        "comments": (_gif((1, 1), (1, 1), note), Status.UNREADABLE),
        "no block": (_gif((1, 1), (1, 1), bytes(3)), Status.UNREADABLE),
    }


def tiffs() -> Bombs:
    """Declared strips and tiles of gigabytes, a table of millions, and thousands of images."""
    packed, table = zlib.compress(bytes(64)), [8] * 1_000_000
    return {
        "strip": (_tiff({278: (4, [(1 << 31) - 1])}, packed), Status.OK),
        "tile": (_tiff(_tiles(20_000), packed), Status.TOO_LARGE),
        "table": (_tiff({273: (4, table), 259: (3, [1])}, bytes(64)), Status.TOO_LARGE),
        "deep": (_tiff(_deep(8_000), packed), Status.TOO_LARGE),
        "size": (_tiff({256: (4, [1 << 20]), 257: (4, [1 << 20])}, packed), Status.TOO_LARGE),
        "further": (_chain(200_000), Status.OK),
    }


def others() -> Bombs:
    """EXIF in a million parts, a scan that never ends, a BMP of few runs, a WebP of 64 MP, an AVIF
    of 1.6 GB, one and a HEIC of 300 million places, and a HEIC of 1.6 gigapixels in tiles."""
    jpeg = save(Image.new("L", (28, 28)), "JPEG")
    photo = save(Image.new("L", (2000, 2000)), "JPEG", progressive=True)
    scan = photo.rindex(b"\xff\xda")
    exif = b"\xff\xe1\0\x0aExif\0\0ab"
    return {
        "exif": (jpeg[:2] + exif * 9_000 + jpeg[2:], Status.OK),
        "segments": (jpeg[:2] + exif * 1_000_000 + jpeg[2:], Status.UNREADABLE),
        "scans": (photo[:scan] + photo[scan:-2] * 1_000 + photo[-2:], Status.TOO_LARGE),
        "runs": (_run_length_bmp(4_000, 4_000), Status.TOO_LARGE),
        "bytes of runs": (_run_length_bmp(28, 28) + bytes(10_000_000), Status.TOO_LARGE),
        "few runs": (_run_length_bmp(28, 28, b"\x1c\0\0\0" * 28), Status.OK),
        "many scans": (photo, Status.OK),
        "further images": (jpeg * 60, Status.OK),
        "webp": (_webp(8_000, 8_000), Status.TOO_LARGE),
        "avif": (avif(short_sequence(16_384, 16_384) + small_av1()), Status.TOO_LARGE),
        "places": (_without_items(b"avif"), Status.UNREADABLE),
        "heif-places": (_without_items(b"heic"), Status.UNREADABLE),
        "heif-tiles": (_tiles_of(8_000), Status.TOO_LARGE),
        "heif-units": (_many_units(), Status.UNREADABLE),
    }


def _gif(
    canvas: tuple[int, int], frame: tuple[int, int], extra: bytes = b"", disposal: int = 0
) -> bytes:
    screen = b"GIF89a" + struct.pack("<HHBBB", *canvas, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    control = b"!\xf9\4" + bytes([disposal << 2, 0, 0, 0]) + b"\0"
    return screen + extra + control + b"," + struct.pack("<HHHHB", 0, 0, *frame, 0) + b"\2\2L\1\0;"


def _tiff(changes: dict[int, tuple[int, list[int]]], body: bytes) -> bytes:
    """A deflated grey TIFF of 8 x 8, with tags changed; tiles take the place of strips."""
    tags: dict[int, tuple[int, list[int]]] = {
        256: (4, [8]), 257: (4, [8]), 258: (3, [8]), 259: (3, [8]), 262: (3, [1]), 277: (3, [1]),
        273: (4, [-1]), 278: (4, [8]), 279: (4, [len(body)]),
    }  # fmt: skip
    if 322 in changes:
        tags = {tag: value for tag, value in tags.items() if tag not in (273, 278, 279)}
    return tiff({**tags, **changes}, body)


def _tiles_of(side: int) -> bytes:
    """A HEIC of 25 tiles, each of which states this side."""
    tile = of_picture(coded([garment().astype(np.uint16)]))
    stated = tile._replace(properties=[size(side, side), *tile.properties[1:]])
    return heif([grid((28, 28), 5, 5), stated], [(b"dimg", 1, [2] * 25)])


def _many_units() -> bytes:
    picture = of_picture(coded([garment().astype(np.uint16)]))
    return heif([picture._replace(content=sized(unit(39, b"")) * 1_000_000 + picture.content)])


def _tiles(side: int) -> dict[int, tuple[int, list[int]]]:
    return {322: (4, [side]), 323: (4, [side]), 324: (4, [-1]), 325: (4, [64])}


def _deep(side: int) -> dict[int, tuple[int, list[int]]]:
    """Four samples of 16 bits, in one strip."""
    return {256: (4, [side]), 257: (4, [side]), 258: (3, [16] * 4), 262: (3, [2]), 277: (3, [4]),
            278: (4, [side]), 338: (3, [2])}  # fmt: skip


def _chain(count: int) -> bytes:
    """A TIFF whose first list of tags is followed by `count` others."""
    first = bytearray(_tiff({}, zlib.compress(bytes(64))))
    link = 10 + 12 * int.from_bytes(first[8:10], "little")
    first[link : link + 4] = len(first).to_bytes(4, "little")
    start = len(first)
    lists = (struct.pack("<HHHIII", 1, 256, 4, 1, 8, start + 18 * (i + 1)) for i in range(count))
    return bytes(first) + b"".join(lists)


def _run_length_bmp(width: int, height: int, runs: bytes = b"") -> bytes:
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 1, 0, 0, 0, 256, 0)
    return (
        b"BM"
        + struct.pack("<IHHI", 0, 0, 0, 54 + 1024)
        + info
        + bytes(range(256)) * 4
        + runs
        + b"\0\1"
    )


def _webp(width: int, height: int) -> bytes:
    """An animation of one frame of one pixel, on a canvas of this size."""
    pixel = bytes(12) + b"\1\0\0\0" + save(Image.new("RGB", (1, 1)), "WEBP", lossless=True)[12:]
    sides = struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
    canvas, animation = b"\2\0\0\0" + sides, bytes(6)
    parts = [(b"VP8X", canvas), (b"ANIM", animation), (b"ANMF", pixel)]
    chunks = b"".join(name + struct.pack("<I", len(body)) + body for name, body in parts)
    return b"RIFF" + struct.pack("<I", len(chunks) + 4) + b"WEBP" + chunks


def _without_items(brand: bytes) -> bytes:
    names = full_box(b"iinf", 0, 0, bytes(2))
    return file_type(brand) + full_box(b"meta", 0, 0, names, many_places())
