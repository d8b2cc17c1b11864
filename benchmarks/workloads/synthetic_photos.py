"""Synthetic photographs of garments with known labels, made from Fashion-MNIST's images.

A 28x28 image is grey on black. It is enlarged smoothly, inverted to dark on a light background,
tinted, with a margin and noise, and saved as a JPEG of any size, sometimes with an EXIF
orientation.
"""

from __future__ import annotations

import io
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Bytes = NDArray[np.uint8]

ZOOMS = (8, 20)  #: enlargement, each way
#: Margin on each side, as a share of the garment's longer side.
MARGINS = (0.02, 0.35)
#: Zalando's background, white, and paper or a wall in good light.
GROUNDS = ((253, 253, 253), (255, 255, 255), (236, 236, 236), (240, 236, 228), (222, 226, 230))
QUALITIES = (75, 95)
#: Limit of a garment's absorption of red, green or blue, relative to grey.
TINT = 0.45
NOISE = 1.5  #: standard deviation, of 255
TURNED_SHARE = 0.4
_ORIENTATION = 0x0112
#: The transformation of an upright image for each EXIF orientation, which undoes it.
_STORED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


class Style(NamedTuple):
    """The random parameters of a photograph."""

    zoom: float
    margins: tuple[int, int, int, int]  #: pixels: left, top, right, bottom
    ground: tuple[int, int, int]
    tint: NDArray[np.float64]  #: [3], share of the grey value that each channel absorbs
    quality: int
    orientation: int


def photograph(image: Bytes, seed: int, size: tuple[int, int] | None = None) -> bytes:
    """The JPEG file of a garment uint8 [28, 28]; the same for the same seed.

    Its width and height depend on zoom and margins, unless `size` is given.
    """
    random = np.random.default_rng(seed)
    style = _style(random)
    photo = Image.fromarray(_coloured(_page(image, style), style, random))
    if size is not None:
        photo = photo.resize(size, Image.Resampling.BICUBIC)
    return _jpeg(photo, style)


def scene(image: Bytes, seed: int) -> bytes:
    """A photograph with a busy background: coloured boxes, as on a shelf or in a street."""
    random = np.random.default_rng(seed)
    style = _style(random)
    page = _page(image, style)
    height, width = page.shape
    boxes = random.integers(0, 256, (random.integers(3, 9), random.integers(3, 9), 3), np.uint8)
    behind = Image.fromarray(boxes).resize((width, height), Image.Resampling.NEAREST)
    seen = 1 - page[..., None] / 255 * style.tint
    light = seen.clip(0, 1) * np.asarray(behind)
    return _jpeg(Image.fromarray(light.round().astype(np.uint8)), style)


def _jpeg(image: Image.Image, style: Style) -> bytes:
    """The JPEG file of a camera, which may have an EXIF orientation."""
    exif = Image.Exif()
    if style.orientation in _STORED:
        exif[_ORIENTATION] = style.orientation
        image = image.transpose(_STORED[style.orientation])
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=style.quality, exif=exif)
    return stream.getvalue()


def _style(random: np.random.Generator) -> Style:
    zoom = random.uniform(*ZOOMS)
    shares = random.uniform(*MARGINS, 4)
    left, top, right, bottom = (round(28 * zoom * share) for share in shares)
    return Style(
        zoom,
        (left, top, right, bottom),
        GROUNDS[random.integers(len(GROUNDS))],
        _tint(random),
        int(random.integers(QUALITIES[0], QUALITIES[1] + 1)),
        int(random.integers(2, 9)) if random.random() < TURNED_SHARE else 1,
    )


def _tint(random: np.random.Generator) -> NDArray[np.float64]:
    """A colour with the brightness of the grey that it replaces (ITU-R 601)."""
    colour = random.uniform(-TINT, TINT, 3)
    tint: NDArray[np.float64] = 1 + colour - np.dot((0.299, 0.587, 0.114), colour)
    return tint


def _page(image: Bytes, style: Style) -> Bytes:
    """The enlarged garment with its margins, still grey on black."""
    side = round(28 * style.zoom)
    large = Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC)
    left, top, right, bottom = style.margins
    page = Image.new("L", (left + side + right, top + side + bottom))
    page.paste(large, (left, top))
    return np.asarray(page)


def _coloured(page: Bytes, style: Style, random: np.random.Generator) -> Bytes:
    """The page in colour on the background, with sensor noise."""
    seen = 1 - page[..., None] / 255 * style.tint
    light = seen.clip(0, 1) * style.ground + random.normal(0, NOISE, (*page.shape, 1))
    return np.round(light).clip(0, 255).astype(np.uint8)
