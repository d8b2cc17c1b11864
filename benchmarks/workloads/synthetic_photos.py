"""Photographs of garments, made from images of Fashion-MNIST: what people send, with known labels.

A 28x28 image is grey on black. Here it is enlarged smoothly, dark on a light ground again, in
some colour, with a margin, some noise, as a JPEG of any size, and sometimes on its side.
"""

from __future__ import annotations

import io
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Bytes = NDArray[np.uint8]

ZOOMS = (8, 20)  #: one pixel becomes so many, each way
#: Of the garment's longer side, on each side of it.
MARGINS = (0.02, 0.35)
#: Zalando's own ground, white, and paper or a wall in good light.
GROUNDS = ((253, 253, 253), (255, 255, 255), (236, 236, 236), (240, 236, 228), (222, 226, 230))
QUALITIES = (75, 95)
#: How much more of red, green or blue a garment may swallow than of grey.
TINT = 0.45
NOISE = 1.5  #: standard deviation, of 255
TURNED_SHARE = 0.4
_ORIENTATION = 0x0112
#: How a camera that is held so stores an upright picture; the tag says how to turn it back.
_STORED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


class Look(NamedTuple):
    """What differs from photograph to photograph."""

    zoom: float
    margins: tuple[int, int, int, int]  #: pixels: left, top, right, bottom
    ground: tuple[int, int, int]
    tint: NDArray[np.float64]  #: [3], share of the grey value that each channel swallows
    quality: int
    orientation: int


def photograph(image: Bytes, seed: int, size: tuple[int, int] | None = None) -> bytes:
    """The JPEG file of a garment uint8 [28, 28]; the same for the same seed.

    Its width and height are what comes of zoom and margins, unless `size` is given.
    """
    random = np.random.default_rng(seed)
    look = _look(random)
    picture = Image.fromarray(_lit(_laid_out(image, look), look, random))
    if size is not None:
        picture = picture.resize(size, Image.Resampling.BICUBIC)
    return _taken(picture, look)


def scene(image: Bytes, seed: int) -> bytes:
    """The same before a ground of many colours: boxes, as on a shelf or in a street."""
    random = np.random.default_rng(seed)
    look = _look(random)
    page = _laid_out(image, look)
    height, width = page.shape
    boxes = random.integers(0, 256, (random.integers(3, 9), random.integers(3, 9), 3), np.uint8)
    behind = Image.fromarray(boxes).resize((width, height), Image.Resampling.NEAREST)
    seen = 1 - page[..., None] / 255 * look.tint
    light = seen.clip(0, 1) * np.asarray(behind)
    return _taken(Image.fromarray(light.round().astype(np.uint8)), look)


def _taken(picture: Image.Image, look: Look) -> bytes:
    """As the camera writes it: a JPEG, which may lie on its side."""
    exif = Image.Exif()
    if look.orientation in _STORED:
        exif[_ORIENTATION] = look.orientation
        picture = picture.transpose(_STORED[look.orientation])
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=look.quality, exif=exif)
    return stream.getvalue()


def _look(random: np.random.Generator) -> Look:
    zoom = random.uniform(*ZOOMS)
    shares = random.uniform(*MARGINS, 4)
    left, top, right, bottom = (round(28 * zoom * share) for share in shares)
    return Look(
        zoom,
        (left, top, right, bottom),
        GROUNDS[random.integers(len(GROUNDS))],
        _tint(random),
        int(random.integers(QUALITIES[0], QUALITIES[1] + 1)),
        int(random.integers(2, 9)) if random.random() < TURNED_SHARE else 1,
    )


def _tint(random: np.random.Generator) -> NDArray[np.float64]:
    """A colour as bright as the grey that it replaces (ITU-R 601)."""
    colour = random.uniform(-TINT, TINT, 3)
    tint: NDArray[np.float64] = 1 + colour - np.dot((0.299, 0.587, 0.114), colour)
    return tint


def _laid_out(image: Bytes, look: Look) -> Bytes:
    """The garment enlarged and with its margins, still grey on black."""
    side = round(28 * look.zoom)
    large = Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC)
    left, top, right, bottom = look.margins
    page = Image.new("L", (left + side + right, top + side + bottom))
    page.paste(large, (left, top))
    return np.asarray(page)


def _lit(page: Bytes, look: Look, random: np.random.Generator) -> Bytes:
    """In colour on the ground, as a sensor sees it."""
    seen = 1 - page[..., None] / 255 * look.tint
    light = seen.clip(0, 1) * look.ground + random.normal(0, NOISE, (*page.shape, 1))
    return np.round(light).clip(0, 255).astype(np.uint8)
