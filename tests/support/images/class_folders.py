"""Class folders for tests, with images that are easy to distinguish."""

from __future__ import annotations

import functools
import io
from pathlib import Path

import numpy as np
from PIL import Image

from worker.datasets.examples import Images


def noise(seed: int, side: int = 8, channels: int = 3) -> Images:
    """A unique image, uint8 [side, side, channels]."""
    return np.random.default_rng(seed).integers(0, 256, (side, side, channels)).astype(np.uint8)


def write(path: Path, pixels: Images, kind: str = "PNG") -> None:
    """Write the image to a file, and create its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_encoded(pixels, kind))


def fill(folder: Path, count: int, first_seed: int = 0) -> None:
    """Write `count` different images to a class folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        (folder / f"{number:04}.png").write_bytes(_png(first_seed + number))


@functools.lru_cache(1000)
def _png(seed: int) -> bytes:
    """A unique image: many tests fill the same folders."""
    return _encoded(noise(seed), "PNG")


def _encoded(pixels: Images, kind: str) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).save(stream, kind)
    return stream.getvalue()
