"""Fits an image of any size into the network's frame: uncropped, upright, with its aspect ratio."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from shared.messages.model_card import Preprocessing

UPRIGHT = 1
#: Orientations whose width and height are exchanged.
SIDEWAYS = (5, 6, 7, 8)
ORIENTATION = 0x0112  #: EXIF's tag
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
Mode = Literal["L", "RGB"]
Span = tuple[float, float]  #: the values of black and of white
EIGHT_BITS: Span = (0.0, 255.0)

_ALPHA = {"LA", "PA", "RGBA"}
#: Premultiplied alpha, which Pillow converts only to the plain form.
_PREMULTIPLIED = {"La": "LA", "RGBa": "RGBA"}
_SIXTEEN_BITS = {"I;16", "I;16L", "I;16B", "I;16N"}
#: Modes without a defined value of white: see `value_range`.
WIDE = ("I", "F")
#: Candidates for the value of white in these modes.
_WHITES = (1.0, 255.0, 65_535.0, 4_294_967_295.0)
#: Reducing by whole factors is coarse if a factor leaves a remainder, so it stops at this multiple
#: of the final size and at this side length. The filter does the rest.
REDUCING_GAP = 3
_REDUCED_SIDE_PIXELS = 1024
#: Plain averages preserve the edges that the network has learned. On Fashion-MNIST's test images
#: enlarged ten times, the packaged network loses 1.2 points of accuracy (2.9 with BILINEAR); on
#: those reduced to 20 pixels, 3.5 (5.6).
_FILTER = Image.Resampling.BOX
#: Larger images are flattened and reduced in parts, so that no full copy is in memory.
_PART_SIDE_PIXELS = 1024

Size = tuple[int, int]  #: width, height in pixels


def orientation_of(image: Image.Image) -> int:
    """1 (upright) to 8, as numbered in EXIF; 1 if there is no valid value."""
    try:
        return int(image.getexif().get(ORIENTATION, UPRIGHT))
    except Exception:
        # Damaged EXIF beside a valid image; Pillow raises exceptions of any class.
        return UPRIGHT


def upright(image: Image.Image, orientation: int) -> Image.Image:
    """The image rotated and mirrored so that `orientation` becomes 1."""
    turn = _TURNS.get(orientation)
    return image if turn is None else image.transpose(turn)


def value_range(parts: Iterable[Image.Image]) -> Span:
    """The values of black and white in an image of mode I or F, given in parts.

    Black is 0, or the lowest value if that is negative. White is the smallest of 1, 255, 65,535
    and 2^32-1 that no value exceeds, or else the highest value. So no value is clipped.
    """
    lowest = highest = 0.0
    for part in parts:
        values = np.asarray(part)
        values = values[np.isfinite(values)]
        lowest = min(lowest, float(values.min(initial=0)))
        highest = max(highest, float(values.max(initial=0)))
    return lowest, next((white for white in _WHITES if highest <= white), highest)


def flatten(image: Image.Image, mode: Mode, ground: int, span: Span) -> Image.Image:
    """The image in `mode`; `ground` (0 to 255) shows through transparent pixels.

    `span` is the `value_range` of the whole image, of which this one may be a part.

    Raises:
        ValueError: the mode has no conversion to RGB (LAB).
    """
    if image.mode in _SIXTEEN_BITS:
        return _from_16_bits(image, ground).convert(mode)
    if image.mode in WIDE:
        grey = _stretched(np.asarray(image), span)
        return Image.fromarray(_black_is_zero(grey, image)).convert(mode)
    if image.mode in _PREMULTIPLIED:
        image = image.convert(_PREMULTIPLIED[image.mode])
    if image.mode in _ALPHA or "transparency" in image.info:
        image = _over(image.convert("RGBA"), ground)
    return image if image.mode == mode else image.convert(mode)


def _over(image: Image.Image, ground: int) -> Image.Image:
    flat = Image.new("RGB", image.size, (ground, ground, ground))
    flat.paste(image, mask=image)
    return flat


def _from_16_bits(image: Image.Image, ground: int) -> Image.Image:
    """The high byte, as in Pillow's RGB modes. Pillow's own conversion would clip at 255."""
    values = np.asarray(image)
    grey = (values >> (4 if image.info.get("bits") == 12 else 8)).astype(np.uint8)
    grey = _black_is_zero(grey, image)
    if "transparency" in image.info:
        grey[values == image.info["transparency"]] = ground
    return Image.fromarray(grey)


def _stretched(values: NDArray[np.int32] | NDArray[np.float32], span: Span) -> NDArray[np.uint8]:
    black, white = span
    scaled = (values.astype(np.float64) - black) * (255.0 / (white - black))
    return np.nan_to_num(scaled, posinf=255.0, neginf=0.0).clip(0, 255).astype(np.uint8)


def _black_is_zero(grey: NDArray[np.uint8], image: Image.Image) -> NDArray[np.uint8]:
    """The grey values of `image`. Pillow inverts a TIFF whose zero is white up to 8 bits only."""
    return np.invert(grey) if image.info.get("white_is_zero") else grey


class DecodedImage(NamedTuple):
    """A decoded image in the orientation of its file."""

    image: Image.Image
    orientation: int  #: EXIF's, 1 to 8
    size: Size  #: in the file
    shrink: int = 1  #: reduction factor of each side from the file to `image`


def place(decoded: DecodedImage, spec: Preprocessing, out: NDArray[np.uint8]) -> None:
    """Fill `out`, uint8 [height, width, channels], with the image centred on `spec.ground`."""
    mode: Mode = "L" if spec.channels == 1 else "RGB"
    target = fitted(decoded.size, decoded.orientation, spec)
    small = upright(shrunk(decoded, target, mode, spec.ground), decoded.orientation)
    pixels = np.asarray(small).reshape(small.height, small.width, spec.channels)
    top, left = (spec.height - small.height) // 2, (spec.width - small.width) // 2
    out.fill(spec.ground)
    out[top : top + small.height, left : left + small.width] = pixels


def fitted(size: Size, orientation: int, spec: Preprocessing) -> Size:
    """The largest size of the same aspect ratio in the frame, before rotation."""
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


def shrunk(decoded: DecodedImage, size: Size, mode: Mode, ground: int) -> Image.Image:
    """Flattened and resized to exactly `size`; not resized if it already has that size."""
    image = decoded.image
    x, y = (
        max(1, have // max(_REDUCED_SIDE_PIXELS, REDUCING_GAP * want))
        for have, want in zip(image.size, size, strict=True)
    )
    small = reduced(image, (x, y), mode, ground)
    if decoded.size == size:
        return small
    # If the factors leave a remainder, the last pixel covers less than the others.
    width, height = (side / decoded.shrink for side in decoded.size)
    return small.resize(size, _FILTER, (0.0, 0.0, width / x, height / y))


def reduced(image: Image.Image, by: Size, mode: Mode, ground: int) -> Image.Image:
    """Flattened, with blocks of `by` pixels averaged to one."""
    wide = image.mode in WIDE
    span = value_range(part for _, part in _parts(image, by)) if wide else EIGHT_BITS
    whole = Image.new(mode, (-(-image.width // by[0]), -(-image.height // by[1])))
    for (left, top), part in _parts(image, by):
        flat = flatten(part, mode, ground, span)
        if part is image and by == (1, 1):
            return flat
        whole.paste(flat.reduce(by), (left // by[0], top // by[1]))
    return whole


def _parts(image: Image.Image, by: Size) -> Iterator[tuple[Size, Image.Image]]:
    """The image in parts of whole multiples of `by`, each with its left and top edge."""
    width, height = (-(-_PART_SIDE_PIXELS // factor) * factor for factor in by)
    if image.width <= width and image.height <= height:
        yield (0, 0), image
        return
    for top in range(0, image.height, height):
        for left in range(0, image.width, width):
            right, bottom = min(left + width, image.width), min(top + height, image.height)
            yield (left, top), image.crop((left, top, right, bottom))
