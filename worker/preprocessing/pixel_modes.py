"""Converts every Pillow mode to eight bits of grey or RGB without transparency."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

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
