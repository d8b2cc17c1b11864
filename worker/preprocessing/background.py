"""What lies behind a garment: its colour, whether it is calm, and where the garment is."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Colours = NDArray[np.uint8]  #: [n, 3], RGB
Box = tuple[int, int, int, int]  #: left, top, right, bottom in pixels; the last two are outside

#: Of 255: nearer colours are the ground itself. Zalando's own: 5 % in RGB.
NEAR = 12.75
#: Of 255: if so many of the outermost pixels are further away, the ground is no plain one. A
#: garment that is cut off at one side of the picture takes up a quarter of them at most.
CALM = 0.12 * 255
CALM_SHARE = 0.7
#: Where fewer of them are near the ground, the light may fall off from one side to the other.
EVEN_SHARE = 0.95
_GREY = (0.299, 0.587, 0.114)  #: ITU-R 601, as Pillow has it


class Background(NamedTuple):
    """The ground of a picture."""

    colour: NDArray[np.float64]  #: [3], RGB, 0 to 255
    calm: bool  #: nearly the same all around
    even: bool  #: not even lighter on one side

    @property
    def grey(self) -> float:
        """0 to 255."""
        return float(self.colour @ _GREY)


def find(photo: Image.Image) -> Background:
    """The median of the outermost pixels of an RGB picture."""
    ring = outermost(photo)
    colour = np.median(ring, axis=0)
    apart = np.abs(ring - colour).max(axis=1)
    calm, even = (apart <= CALM).mean() >= CALM_SHARE, (apart <= NEAR).mean() >= EVEN_SHARE
    return Background(colour, bool(calm), bool(even))


def evened(photo: Image.Image, ground: Background) -> Image.Image:
    """The picture as if its light did not fall off: Zalando's never did, but a window's does.

    What the ground has too much or too little of each colour, as a plane over the picture, is
    taken from all of it.
    """
    ring, at = outermost(photo).astype(np.float64), _places(photo)
    near = np.abs(ring - ground.colour).max(axis=1) <= CALM
    slope, *_ = np.linalg.lstsq(at[near], ring[near] - ground.colour, rcond=None)
    down, across = np.indices((photo.height, photo.width))[..., np.newaxis]
    excess = slope[0] + slope[1] * across + slope[2] * down
    return Image.fromarray((np.asarray(photo) - excess).round().clip(0, 255).astype(np.uint8))


def trimmed(photo: Image.Image, ground: Background) -> Box:
    """The smallest box with all that is not near the ground; the whole picture if all of it is."""
    values = np.arange(256)
    table = [255 * (np.abs(values - middle) > NEAR) for middle in ground.colour]
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
