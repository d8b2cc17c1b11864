"""A picture of any size into the frame of the network: whole, upright, its aspect kept."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from shared.messages.model_card import Preprocessing
from worker.preprocessing.orientation import SIDEWAYS, upright
from worker.preprocessing.pixel_modes import EIGHT_BITS, WIDE, Mode, flatten, value_range

#: Reducing by whole factors is coarse where a factor leaves a rest: it stops at so many times the
#: final size, and at so many pixels. The filter does what is left.
REDUCING_GAP = 3
_REDUCED_SIDE_PIXELS = 1024
#: Plain averages keep the edges that the network knows. Of Fashion-MNIST's test images enlarged
#: ten times, the packaged network gets 1.2 points fewer right (2.9 with BILINEAR); of those
#: reduced to 20 pixels, 3.5 (5.6).
_FILTER = Image.Resampling.BOX
#: Larger pictures are flattened and reduced in parts, so that none is ever held twice.
_PART_SIDE_PIXELS = 1024

Size = tuple[int, int]  #: width, height in pixels


class Picture(NamedTuple):
    """A decoded picture as it lies in its file."""

    image: Image.Image
    orientation: int  #: EXIF's, 1 to 8
    size: Size  #: as the file has it
    shrink: int = 1  #: so many of the file's pixels became one of `image`, each way


def place(picture: Picture, spec: Preprocessing, out: NDArray[np.uint8]) -> None:
    """Fill `out`, uint8 [height, width, channels], with the picture centred on the ground."""
    mode: Mode = "L" if spec.channels == 1 else "RGB"
    target = fitted(picture.size, picture.orientation, spec)
    small = upright(_shrunk(picture, target, mode, spec.ground), picture.orientation)
    pixels = np.asarray(small).reshape(small.height, small.width, spec.channels)
    top, left = (spec.height - small.height) // 2, (spec.width - small.width) // 2
    out.fill(spec.ground)
    out[top : top + small.height, left : left + small.width] = pixels


def fitted(size: Size, orientation: int, spec: Preprocessing) -> Size:
    """The largest size of the same aspect in the frame, as the picture lies before it is turned."""
    width, height = size
    frame_w, frame_h = spec.width, spec.height
    if orientation in SIDEWAYS:
        frame_w, frame_h = frame_h, frame_w
    if width * frame_h >= height * frame_w:
        return frame_w, _share(height, frame_w, width, frame_h)
    return _share(width, frame_h, height, frame_w), frame_h


def _share(side: int, target: int, whole: int, limit: int) -> int:
    """`side * target / whole`, to the nearest pixel and at least one."""
    return max(1, min(limit, (2 * side * target + whole) // (2 * whole)))


def _shrunk(picture: Picture, size: Size, mode: Mode, ground: int) -> Image.Image:
    """Flattened and resized to exactly `size`; untouched where it has that size already."""
    image = picture.image
    x, y = (
        max(1, have // max(_REDUCED_SIDE_PIXELS, REDUCING_GAP * want))
        for have, want in zip(image.size, size, strict=True)
    )
    small = reduced(image, (x, y), mode, ground)
    if picture.size == size:
        return small
    # Where the factors leave a rest, the last pixel stands for less than the others.
    width, height = (side / picture.shrink for side in picture.size)
    return small.resize(size, _FILTER, (0.0, 0.0, width / x, height / y))


def reduced(image: Image.Image, by: Size, mode: Mode, ground: int) -> Image.Image:
    """Flattened, with every `by` pixels averaged to one."""
    wide = image.mode in WIDE
    span = value_range(part for _, part in _parts(image, by)) if wide else EIGHT_BITS
    whole = Image.new(mode, (-(-image.width // by[0]), -(-image.height // by[1])))
    for (left, top), part in _parts(image, by):
        flat = flatten(part, mode, ground, span)
        if flat.size == whole.size:
            return flat
        whole.paste(flat.reduce(by), (left // by[0], top // by[1]))
    return whole


def _parts(image: Image.Image, by: Size) -> Iterator[tuple[Size, Image.Image]]:
    """The picture in parts of whole multiples of `by`, each with its left and top edge."""
    width, height = (-(-_PART_SIDE_PIXELS // factor) * factor for factor in by)
    if image.width <= width and image.height <= height:
        yield (0, 0), image
        return
    for top in range(0, image.height, height):
        for left in range(0, image.width, width):
            right, bottom = min(left + width, image.width), min(top + height, image.height)
            yield (left, top), image.crop((left, top, right, bottom))
