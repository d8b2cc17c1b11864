"""A JPEG, decoded no larger than it will be needed: libjpeg can give 1/2, 1/4 or 1/8 at once.

Pillow keeps every comment and profile of a file, and copies a growing EXIF block for each of its
parts: minutes for a hostile file. So it gets the segments that decide the pixels, and no others.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import NamedTuple

from PIL.JpegImagePlugin import JpegImageFile

from shared.errors import ImageError
from shared.image_status import Status
from shared.messages.model_card import Preprocessing
from worker.decoding.limits import MAX_JPEG_PIXELS, MAX_PIXELS, check_pixels
from worker.preprocessing import garment
from worker.preprocessing.letterbox import REDUCING_GAP, Picture, Size, fitted
from worker.preprocessing.orientation import orientation_of

_START = b"\xff\xd8"
#: The code of a marker; padding and stray bytes may stand before it.
_CODE = re.compile(rb"(?<=\xff)[^\x00\xff]")
_SCAN = 0xDA
_BARE = {0x01, *range(0xD0, 0xDA)}  #: without content
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_BASELINE = {0xC0, 0xC1}
_COMPONENTS = 9  #: where a frame says how many it has, in bytes
_COMMENTS = {0xFE, *range(0xE0, 0xF0)}
#: The comments that matter: what the samples mean (JFIF, Adobe), and how the picture lies (EXIF).
_TELLING = {0xE0: b"JFIF\0", 0xE1: b"Exif\0\0", 0xEE: b"Adobe"}
#: A colour profile takes up to 255, a depth map beside a photograph some hundreds.
_MAX_SEGMENTS = 10_000
#: Real files have up to a dozen. Each one of a large picture costs a pass over all of it.
_MAX_SCANS = 50
#: How the scans of one to four components begin.
_SCAN_HEADS = [bytes((0xFF, _SCAN, 0, 6 + 2 * n, n)) for n in range(1, 5)]


class _Head(NamedTuple):
    """What stands before the pixels."""

    kept: bytes
    scan: int  #: offset in bytes of the first scan
    #: libjpeg decodes row by row, as it can where one scan holds all components. Otherwise it
    #: keeps two bytes for every sample of the picture, however small `draft` makes it.
    streams: bool


def read(data: bytes, spec: Preprocessing) -> Picture:
    """The decoded picture, grey if nothing else is needed.

    It is at least REDUCING_GAP times as large as the letterbox needs, as large as the conversion
    of garments needs, or as large as it was.

    Raises:
        ImageError: `too_large`, or `unreadable` where no scan is found.
        Exception: whatever Pillow raises for a damaged file.
    """
    head = _head(data)
    image = JpegImageFile(io.BytesIO(head.kept + data[head.scan :]))
    size, orientation = image.size, orientation_of(image)
    check_pixels(size, MAX_JPEG_PIXELS if head.streams else MAX_PIXELS)
    if not head.streams and sum(map(data.count, _SCAN_HEADS)) > _MAX_SCANS:
        raise ImageError(Status.TOO_LARGE)
    drafted = image.draft(*_wanted(size, orientation, spec))
    check_pixels(image.size)
    image.load()
    return Picture(image, orientation, size, _shrink(size, drafted))


def _wanted(size: Size, orientation: int, spec: Preprocessing) -> tuple[str | None, Size]:
    """The mode, None for the file's own, and the least width and height."""
    if spec.convert == "garment":
        return None, garment.wanted(size)  # grounds are told apart by their colour
    width, height = (REDUCING_GAP * side for side in fitted(size, orientation, spec))
    return "L" if spec.channels == 1 else None, (width, height)


def _shrink(size: Size, drafted: tuple[str, tuple[int, int, float, float]] | None) -> int:
    """1, 2, 4 or 8, from what `draft` says that the picture now measures."""
    return round(size[0] / drafted[1][2]) if drafted else 1


def _head(data: bytes) -> _Head:
    kept: list[bytes] = [_START]
    frames: list[bytes] = []
    telling = dict(_TELLING)
    for code, start, end in _segments(data):
        if code == _SCAN:
            return _Head(b"".join(kept), start, _streams(frames, data[start : start + 5]))
        if code in _FRAMES:
            frames.append(data[start:end])
        if code in _COMMENTS:
            prefix = telling.get(code)
            if prefix is None or not data.startswith(prefix, start + 4):
                continue
            del telling[code]  # only the first of each
        kept.append(data[start:end])
    raise ImageError(Status.UNREADABLE)


def _segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Code, start and end (in bytes) of every segment with content."""
    at = len(_START)
    for _ in range(_MAX_SEGMENTS):
        found = _CODE.search(data, at + 1)
        if found is None:
            return
        code, start, at = data[found.start()], found.start() - 1, found.end()
        if code not in _BARE:
            at += int.from_bytes(data[at : at + 2], "big")
            yield code, start, at


def _streams(frames: list[bytes], scan: bytes) -> bool:
    """Whether there is one frame, not progressive, with as many components as its first scan."""
    if len(frames) != 1 or frames[0][1] not in _BASELINE:
        return False
    return len(frames[0]) > _COMPONENTS and scan[4:] == frames[0][_COMPONENTS : _COMPONENTS + 1]
