"""What lies behind a garment: its colour, whether it is calm, and where the garment is."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Box = tuple[int, int, int, int]  #: left, top, right, bottom in pixels; the last two are outside

#: Of 255: nearer colours are the ground itself. Zalando's own: 5 % in RGB.
NEAR = 12.75
#: Of 255: if so many of the outermost pixels are further away, the ground is no plain one. A
#: garment that is cut off at one side of the picture takes up a quarter of them at most.
CALM = 0.12 * 255
CALM_SHARE = 0.7


class Ground(NamedTuple):
    """The ground of a picture."""

    colour: NDArray[np.float64]  #: [3], RGB, 0 to 255
    calm: bool  #: all around nearly the same

    @property
    def grey(self) -> float:
        """0 to 255, ITU-R 601."""
        return float(self.colour @ (0.299, 0.587, 0.114))


def find(picture: Bytes) -> Ground:
    """The median of the outermost pixels of uint8 [height, width, 3]."""
    ring = outermost(picture)
    colour = np.median(ring, axis=0)
    return Ground(colour, bool((_apart(ring, colour) <= CALM).mean() >= CALM_SHARE))


def trimmed(picture: Bytes, ground: Ground) -> Box:
    """The smallest box with all that is not near the ground; the whole picture if all of it is."""
    there = _apart(picture, ground.colour) > NEAR
    rows, columns = np.flatnonzero(there.any(axis=1)), np.flatnonzero(there.any(axis=0))
    if not len(rows):
        return 0, 0, picture.shape[1], picture.shape[0]
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def outermost(picture: Bytes) -> Bytes:
    """The pixels of the four edges, [n, channels]; of a corner once."""
    middle = picture[1:-1]
    lower = picture[-1:] if len(picture) > 1 else picture[:0]
    right = middle[:, -1] if picture.shape[1] > 1 else middle[:0, 0]
    return np.concatenate([picture[0], lower.reshape(-1, picture.shape[2]), middle[:, 0], right])


def _apart(colours: Bytes, colour: NDArray[np.float64]) -> NDArray[np.float32]:
    """How far each is, 0 to 255, in the channel that differs most; without the last axis."""
    apart: NDArray[np.float32] = np.abs(colours - colour.astype(np.float32)).max(axis=-1)
    return apart
