"""Out-of-distribution images, uint8 [n, 28, 28], which the pixel bounds should flag.

Digits and letters are white on black, as in data sets of handwriting.
"""

from __future__ import annotations

import string

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Bytes = NDArray[np.uint8]

SIDE = 28
GLYPH_SIZES = (18, 28)  #: of the font, in pixels


def digits(count: int, seed: int) -> Bytes:
    """0 to 9."""
    return _glyphs(string.digits, count, seed)


def letters(count: int, seed: int) -> Bytes:
    """A to Z, in both cases."""
    return _glyphs(string.ascii_letters, count, seed)


def noise(count: int, seed: int) -> Bytes:
    """Uniformly random values."""
    return np.random.default_rng(seed).integers(0, 256, (count, SIDE, SIDE), np.uint8)


def checkers(count: int, seed: int) -> Bytes:
    """Boards with fields of 1 to 7 pixels in two greys."""
    random = np.random.default_rng(seed)
    down, across = np.indices((SIDE, SIDE))
    boards = []
    for field in random.integers(1, 8, count):
        greys = random.choice(256, 2, replace=False).astype(np.uint8)
        boards.append(greys[(down // field + across // field) % 2])
    return np.stack(boards)


def gradients(count: int, seed: int) -> Bytes:
    """Linear gradients between two greys, in any direction."""
    random = np.random.default_rng(seed)
    down, across = np.indices((SIDE, SIDE)) / (SIDE - 1) - 0.5
    images = []
    for angle, start, end in random.uniform((0, 0, 0), (2 * np.pi, 256, 256), (count, 3)):
        share = (np.cos(angle) * down + np.sin(angle) * across) / np.sqrt(2) + 0.5
        images.append((start + (end - start) * share).clip(0, 255).astype(np.uint8))
    return np.stack(images)


def _glyphs(characters: str, count: int, seed: int) -> Bytes:
    random = np.random.default_rng(seed)
    images = []
    for _ in range(count):
        page = Image.new("L", (SIDE, SIDE))
        font = ImageFont.load_default(int(random.integers(*GLYPH_SIZES)))
        place = tuple(SIDE / 2 + random.uniform(-2, 2, 2))
        glyph = characters[random.integers(len(characters))]
        ImageDraw.Draw(page).text(place, glyph, 255, font, anchor="mm")
        images.append(np.asarray(page))
    return np.stack(images)
