"""Drawn photographs: a coloured shape on a coloured background, in any size and format."""

from __future__ import annotations

import io
import math
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

#: Name and number of corners; a circle has many.
CORNERS = {"circle": 40, "square": 4, "triangle": 3}
_FORMATS = (("JPEG", ".jpg"), ("PNG", ".png"), ("WEBP", ".webp"), ("BMP", ".bmp"))
_SIDE_PIXELS = (48, 240)
_ASPECT = (0.7, 1.4)
#: A dark shape on a light background, as in product photographs.
_COLOUR, _GROUND = (0, 140), (190, 256)


def draw(shape: str, seed: int) -> Image.Image:
    """One image, deterministic for the same seed."""
    rng = np.random.default_rng([CORNERS[shape], seed])
    width = int(rng.integers(*_SIDE_PIXELS))
    height = round(width * rng.uniform(*_ASPECT))
    colour, ground = (tuple(rng.integers(*span, 3).tolist()) for span in (_COLOUR, _GROUND))
    image = Image.new("RGB", (width, height), ground)
    radius = min(width, height) * rng.uniform(0.3, 0.45)
    x, y = rng.uniform(radius, width - radius), rng.uniform(radius, height - radius)
    turn = rng.uniform(-0.2, 0.2) + math.pi / 4
    corners = [
        (x + radius * math.cos(turn + angle), y + radius * math.sin(turn + angle))
        for angle in np.linspace(0, 2 * math.pi, CORNERS[shape], endpoint=False)
    ]
    ImageDraw.Draw(image).polygon(corners, fill=colour)
    return image


def write(folder: Path, shape: str, count: int, first_seed: int = 0) -> None:
    """Write `count` images of a shape to its class folder, some of them to a subfolder."""
    for number in range(count):
        kind, suffix = _FORMATS[number % len(_FORMATS)]
        path = folder / shape / ("more" if number % 5 == 0 else ".") / f"{number:03}{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(draw(shape, first_seed + number), kind))


def encoded(image: Image.Image, kind: str) -> bytes:
    """The image encoded in this Pillow format."""
    stream = io.BytesIO()
    image.save(stream, kind)
    return stream.getvalue()


def noise(path: Path) -> None:
    """Write an image without a shape."""
    values = np.random.default_rng(1).integers(0, 256, (100, 120, 3), np.uint8)
    path.write_bytes(encoded(Image.fromarray(values), "PNG"))
