"""Drawings of the ten garments of Fashion-MNIST, for machines without the data set."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

SIDE_PIXELS = 28
#: Factor of supersampling, for soft edges.
_ZOOM = 4
_SHIFT_PIXELS = 1.0
_SCALE = (0.92, 1.0)
_GREY = (130, 235)
_TEXTURE = 14.0  #: standard deviation of the grain, in grey values

Points = tuple[tuple[float, float], ...]

#: Label number -> outlines in pixels of the 28x28 frame; the first is filled, the rest are holes.
_OUTLINES: dict[int, tuple[Points, ...]] = {
    0: (  # T-shirt/top
        ((9, 1), (19, 1), (26, 6), (24, 11), (20, 9), (20, 27), (8, 27), (8, 9), (4, 11), (2, 6)),
        ((11, 0), (17, 0), (14, 4)),
    ),
    1: (  # Trouser
        ((8, 0), (20, 0), (21, 27), (16, 27), (14, 9), (12, 27), (7, 27)),
    ),
    2: (  # Pullover
        ((9, 2), (19, 2), (23, 5), (26, 26), (22, 27), (20, 11), (20, 26), (8, 26), (8, 11),
         (6, 27), (2, 26), (5, 5)),
        ((11, 1), (17, 1), (14, 3)),
    ),
    3: (  # Dress
        ((10, 0), (12, 0), (13, 4), (15, 4), (16, 0), (18, 0), (18, 10), (21, 27), (7, 27),
         (10, 10)),
    ),
    4: (  # Coat
        ((9, 1), (19, 1), (23, 4), (25, 25), (21.5, 26), (20.5, 9), (20.5, 27), (7.5, 27),
         (7.5, 9), (6.5, 26), (3, 25), (5, 4)),
        ((11, 0), (17, 0), (14, 8)),
        ((13.7, 8), (14.3, 8), (14.3, 27), (13.7, 27)),
    ),
    5: (  # Sandal
        ((1, 18), (8, 16), (14, 17), (20, 12), (24, 7), (27, 7), (27, 21), (24, 21), (23, 18),
         (15, 21), (1, 21)),
        ((5, 19), (9, 17), (12, 18), (9, 20)),
        ((14, 19), (20, 14), (22, 15), (18, 18)),
        ((22, 12), (25, 9), (25.5, 15)),
    ),
    6: (  # Shirt
        ((9, 1), (19, 1), (23, 4), (26, 20), (22, 21), (20, 10), (20, 27), (8, 27), (8, 10),
         (6, 21), (2, 20), (5, 4)),
        ((12, 0), (16, 0), (14, 5)),
        ((13.8, 5), (14.2, 5), (14.2, 27), (13.8, 27)),
    ),
    7: (  # Sneaker
        ((1, 18), (3, 15), (10, 14), (16, 9), (19, 10), (24, 9), (26, 11), (27, 20), (1, 20)),
        ((2, 18.2), (26, 18.2), (26, 18.8), (2, 18.8)),
    ),
    8: (  # Bag
        ((2, 9), (8, 9), (10, 3), (18, 3), (20, 9), (26, 9), (27, 25), (1, 25)),
        ((10, 9), (11.5, 4.5), (16.5, 4.5), (18, 9)),
    ),
    9: (  # Ankle boot
        ((1, 21), (4, 17), (12, 13), (14, 3), (26, 3), (27, 24), (22, 24), (21, 22), (14, 24),
         (1, 24)),
    ),
}  # fmt: skip


def silhouette(label: int, seed: int) -> NDArray[np.uint8]:
    """A garment, label 0 to 9, light on black, uint8 [28, 28]; the same for the same seed."""
    rng = np.random.default_rng([label, seed])
    grey = int(rng.integers(*_GREY))
    scale, shift = rng.uniform(*_SCALE), rng.uniform(-_SHIFT_PIXELS, _SHIFT_PIXELS, 2)
    side = SIDE_PIXELS * _ZOOM
    image = Image.new("L", (side, side))
    draw = ImageDraw.Draw(image)
    for i, outline in enumerate(_OUTLINES[label]):
        draw.polygon(_placed(outline, scale, shift), fill=0 if i else grey)
    small = np.asarray(image.reduce(_ZOOM), np.float64)
    grain = rng.normal(0.0, _TEXTURE, small.shape)
    return np.where(small > 0, small + grain * (small / grey), 0).clip(0, 255).astype(np.uint8)


def _placed(outline: Points, scale: float, shift: NDArray[np.float64]) -> list[tuple[float, float]]:
    centre = SIDE_PIXELS / 2
    x0, y0 = shift
    return [
        (_ZOOM * (centre + (x - centre) * scale + x0), _ZOOM * (centre + (y - centre) * scale + y0))
        for x, y in outline
    ]
