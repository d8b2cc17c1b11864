"""The background of a garment: its colour, whether it is uniform, and the box of the garment."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Colours = NDArray[np.uint8]  #: [n, 3], RGB
Box = tuple[int, int, int, int]  #: left, top, right, bottom in pixels; the last two are exclusive

#: In levels of 255. Nearer colours count as background. Zalando's value: 5 % in RGB.
NEAR = 12.75
#: Likewise. The background is uniform if at least UNIFORM_SHARE of the outermost pixels are within
#: this distance. A garment that is cut off at one side covers a quarter of them at most.
UNIFORM = 0.12 * 255
UNIFORM_SHARE = 0.7
#: If a smaller share of them is NEAR the background, the light may fall off towards one side.
EVEN_SHARE = 0.95
_GREY = (0.299, 0.587, 0.114)  #: ITU-R 601, as in Pillow


class Background(NamedTuple):
    colour: NDArray[np.float64]  #: [3], RGB, 0 to 255
    is_uniform: bool  #: nearly the same on all sides
    is_evenly_lit: bool  #: no side is lighter

    @property
    def grey(self) -> float:
        """0 to 255."""
        return float(self.colour @ _GREY)


def find_background(photo: Image.Image) -> Background:
    """The median of the outermost pixels of an RGB image."""
    ring = outermost(photo)
    colour = np.median(ring, axis=0)
    apart = np.abs(ring - colour).max(axis=1)
    uniform = (apart <= UNIFORM).mean() >= UNIFORM_SHARE
    even = (apart <= NEAR).mean() >= EVEN_SHARE
    return Background(colour, bool(uniform), bool(even))


def evened(photo: Image.Image, background: Background) -> Image.Image:
    """The image corrected for light that falls off, as window light does and Zalando's did not.

    For each colour, a plane is fitted to the deviation of the background and subtracted from the
    whole image.
    """
    ring, at = outermost(photo).astype(np.float64), _places(photo)
    near = np.abs(ring - background.colour).max(axis=1) <= UNIFORM
    slope, *_ = np.linalg.lstsq(at[near], ring[near] - background.colour, rcond=None)
    down, across = np.indices((photo.height, photo.width))[..., np.newaxis]
    excess = slope[0] + slope[1] * across + slope[2] * down
    return Image.fromarray((np.asarray(photo) - excess).round().clip(0, 255).astype(np.uint8))


def trimmed(photo: Image.Image, background: Background) -> Box:
    """The smallest box of all pixels not NEAR the background; the whole image if there are none."""
    values = np.arange(256)
    table = [255 * (np.abs(values - middle) > NEAR) for middle in background.colour]
    box = photo.point(np.concatenate(table).tolist()).getbbox()
    return box or (0, 0, photo.width, photo.height)


def outermost(photo: Image.Image) -> Colours:
    """The pixels of the four edges; those of a corner twice."""
    edges = (np.asarray(photo.crop(edge)).reshape(-1, 3) for edge in _edges(photo))
    return np.concatenate(list(edges))


def _places(photo: Image.Image) -> NDArray[np.float64]:
    """1, x and y of the outermost pixels, [n, 3]."""
    places = [
        (1.0, x, y)
        for left, top, right, bottom in _edges(photo)
        for y in range(top, bottom)
        for x in range(left, right)
    ]
    return np.array(places)


def _edges(photo: Image.Image) -> list[Box]:
    width, height = photo.size
    sides = [(0, 0, 1, height), (width - 1, 0, width, height)]
    return [(0, 0, width, 1), (0, height - 1, width, height), *sides]
