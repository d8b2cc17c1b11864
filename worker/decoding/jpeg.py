"""JPEG, decoded at the smallest sufficient size: libjpeg can decode to 1/2, 1/4 or 1/8.

Its reduction is exact, so the filter needs no reserve: three times the final size as a minimum
takes twice the time and changes the accuracy neither of photographs at 224 pixels nor of garments
at 28.

Pillow stores every comment and profile of a file, and copies a growing EXIF block for each of its
parts, which takes minutes for a malicious file. So it gets only the segments that affect the
pixels.
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
from worker.decoding import garment
from worker.decoding.letterbox import DecodedImage, Size, fitted, orientation_of
from worker.decoding.size_limits import MAX_PIXELS, check_pixels

#: libjpeg reduces by 8 while it decodes and stores a few rows, unless it must store all scans.
MAX_JPEG_PIXELS = 200_000_000
_START = b"\xff\xd8"
#: The code of a marker; padding and stray bytes may precede it.
_CODE = re.compile(rb"(?<=\xff)[^\x00\xff]")
_SCAN = 0xDA
_BARE = {0x01, *range(0xD0, 0xDA)}  #: without content
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_BASELINE = {0xC0, 0xC1}
_COMPONENTS = 9  #: offset in bytes of the number of components in a frame
_COMMENTS = {0xFE, *range(0xE0, 0xF0)}
#: The comments that affect the pixels: colour space (JFIF, Adobe) and orientation (EXIF).
_RELEVANT_COMMENTS = {0xE0: b"JFIF\0", 0xE1: b"Exif\0\0", 0xEE: b"Adobe"}
#: A colour profile takes up to 255, a depth map beside a photograph some hundreds.
_MAX_SEGMENTS = 10_000
#: Real files have up to a dozen. Each one costs a pass over the whole image.
_MAX_SCANS = 50
#: The first bytes of scans of one to four components.
_SCAN_HEADS = [bytes((0xFF, _SCAN, 0, 6 + 2 * n, n)) for n in range(1, 5)]


class _Head(NamedTuple):
    """The part of a file before the first scan."""

    retained: bytes  #: its segments that affect the pixels
    scan: int  #: offset in bytes of the first scan
    #: libjpeg decodes row by row, which requires that one scan holds all components. Otherwise it
    #: stores two bytes for every sample of the image, even if `draft` reduces its size.
    streams: bool


def read(data: bytes, spec: Preprocessing) -> DecodedImage:
    """The decoded image, grey if the network needs no colour.

    It is at least as large as the letterbox or the conversion of garments needs, or has its
    original size.

    Raises:
        ImageError: `too_large`, or `unreadable` if no scan is found.
        Exception: of any class that Pillow raises for a damaged file.
    """
    head = _head(data)
    image = JpegImageFile(io.BytesIO(head.retained + data[head.scan :]))
    size, orientation = image.size, orientation_of(image)
    check_pixels(size, MAX_JPEG_PIXELS if head.streams else MAX_PIXELS)
    if not head.streams and sum(map(data.count, _SCAN_HEADS)) > _MAX_SCANS:
        raise ImageError(Status.TOO_LARGE)
    drafted = image.draft(*_wanted(size, orientation, spec))
    check_pixels(image.size)
    image.load()
    return DecodedImage(image, orientation, size, _shrink(size, drafted))


def _wanted(size: Size, orientation: int, spec: Preprocessing) -> tuple[str | None, Size]:
    """The mode (None: the file's own) and the minimum width and height."""
    if spec.convert == "garment":
        return None, garment.min_size(size)  # the background is detected by its colour
    return "L" if spec.channels == 1 else None, fitted(size, orientation, spec)


def _shrink(size: Size, drafted: tuple[str, tuple[int, int, float, float]] | None) -> int:
    """The reduction factor 1, 2, 4 or 8, from the size that `draft` returned."""
    return round(size[0] / drafted[1][2]) if drafted else 1


def _head(data: bytes) -> _Head:
    retained: list[bytes] = [_START]
    frames: list[bytes] = []
    relevant = dict(_RELEVANT_COMMENTS)
    for code, start, end in _segments(data):
        if code == _SCAN:
            return _Head(b"".join(retained), start, _streams(frames, data[start : start + 5]))
        if code in _FRAMES:
            frames.append(data[start:end])
        if code in _COMMENTS:
            prefix = relevant.get(code)
            if prefix is None or not data.startswith(prefix, start + 4):
                continue
            del relevant[code]  # only the first of each
        retained.append(data[start:end])
    raise ImageError(Status.UNREADABLE)


def _segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Code, start and end (in bytes) of every segment with content."""
    at = len(_START)
    for _ in range(_MAX_SEGMENTS):
        marker = _CODE.search(data, at + 1)
        if marker is None:
            return
        code, start, at = data[marker.start()], marker.start() - 1, marker.end()
        if code not in _BARE:
            at += int.from_bytes(data[at : at + 2], "big")
            yield code, start, at


def _streams(frames: list[bytes], scan: bytes) -> bool:
    """Whether there is one frame, not progressive, with as many components as its first scan."""
    if len(frames) != 1 or frames[0][1] not in _BASELINE:
        return False
    return scan[4:] == frames[0][_COMPONENTS : _COMPONENTS + 1]
