"""A photograph of a garment to an image of Fashion-MNIST, as Zalando made those.

The data set's own conversion (Xiao, Rasul and Vollgraf, arXiv:1708.07747, section 2): the edges
are trimmed that have the ground's colour, the longest side becomes 28 pixels by leaving out rows
and columns of a thumbnail, the outlines are sharpened, the shorter side is extended with the
ground, and the grey values are negated. Without it every photograph is a "Bag".
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from shared.image_status import Flag
from shared.messages.model_card import Preprocessing
from worker.preprocessing import letterbox
from worker.preprocessing.background import Box, evened, find, trimmed
from worker.preprocessing.letterbox import Picture, Size, fitted, reduced
from worker.preprocessing.orientation import upright

Values = NDArray[np.float32]

#: Transparent pixels show it, as a shop's page would.
WHITE = 255
#: The data set's ground is black. No image of it has fewer than two corners as dark as this, and
#: hardly a photograph of a garment on a light ground has two.
DARK = 12
DARK_CORNERS = 2
#: A photograph is looked at with its longer side at least so long, and less than twice as long.
LOOK_PIXELS = 150
#: Zalando began with thumbnails of 51 x 73 pixels.
THUMBNAIL_PIXELS = 73
_THUMBNAIL = Preprocessing(THUMBNAIL_PIXELS, THUMBNAIL_PIXELS, 1)
#: They are antialiased; which filter does not matter to the accuracy.
_SMOOTH = Image.Resampling.HAMMING
_SUBSAMPLED = Image.Resampling.NEAREST
#: A Gaussian of radius and sigma 1: each pixel and its two neighbours.
_SELF, _NEXT = (np.float32(weight / (1 + 2 * math.exp(-0.5))) for weight in (1, math.exp(-0.5)))
#: Of the difference to the blurred image, as ImageMagick's `-sharpen 1x1` takes. On photographs
#: made of training images 0 costs a point of accuracy; 0.4 to 1.6 make no difference.
SHARPEN = np.float32(0.83)
#: Of 255: what differs from its ground by less at most is not stretched to full contrast.
LEAST_DEPTH = 96


def in_form(pixels: NDArray[np.uint8]) -> bool:
    """Whether uint8 [height, width, 1] is as the data set's images are: two corners are dark.

    It is asked for every picture, and nearly always answered by the first line.
    """
    if pixels.item(0) <= DARK and pixels.item(-1) <= DARK:
        return True
    down, across = (max(1, side - 1) for side in pixels.shape[:2])
    corners = pixels[::down, ::across, 0]
    return int(np.count_nonzero(corners <= DARK)) >= DARK_CORNERS


def place(picture: Picture, spec: Preprocessing, out: NDArray[np.uint8]) -> Flag:
    """Fill `out`, uint8 [height, width, channels]; untouched if it has the data set's form."""
    if picture.size == (spec.width, spec.height):
        letterbox.place(picture, spec, out)
        if in_form(out):
            return Flag.NONE
    photo = _looked_at(picture)
    ground = find(photo)
    if ground.calm and not ground.even:
        photo = evened(photo, ground)
    shape = _subsampled(photo, trimmed(photo, ground), spec)
    _centre(_sharpened(_negated(shape, ground.grey)), out)
    return Flag.NONE if ground.calm else Flag.BUSY_BACKGROUND


def wanted(size: Size) -> Size:
    """How large a picture of this width and height must be decoded at least."""
    longer = max(size)
    width, height = (min(side, -(-side * LOOK_PIXELS // longer)) for side in size)
    return width, height


def _looked_at(picture: Picture) -> Image.Image:
    """RGB, upright, on white, no larger than needed."""
    by = max(1, max(picture.image.size) // LOOK_PIXELS)
    return upright(reduced(picture.image, (by, by), "RGB", WHITE), picture.orientation)


def _subsampled(photo: Image.Image, box: Box, spec: Preprocessing) -> Values:
    """The grey values 0 to 255 in the box, its longer side that of the frame."""
    size = (box[2] - box[0], box[3] - box[1])
    grey = photo.crop(box).convert("L")
    if max(size) > THUMBNAIL_PIXELS:
        grey = grey.resize(fitted(size, 1, _THUMBNAIL), _SMOOTH)
    return np.asarray(grey.resize(fitted(size, 1, spec), _SUBSAMPLED), np.float32)


def _negated(shape: Values, ground: float) -> Values:
    """How far from the ground, which becomes 0; what is as far as can be becomes 255.

    Before a light ground that negates the picture. Before one that is neither light nor dark the
    garment decides, by being darker or lighter for the most part.
    """
    darker = bool(shape.mean() <= ground)
    depth, deepest = (ground - shape, ground) if darker else (shape - ground, 255 - ground)
    return depth * np.float32(255 / max(deepest, LEAST_DEPTH))


def _sharpened(shape: Values) -> Values:
    """Each value moved away from those around it, which shows most at the outlines."""
    wide = np.pad(shape, 1, mode="edge")
    rows: Values = _NEXT * (wide[:-2] + wide[2:]) + _SELF * wide[1:-1]
    blurred: Values = _NEXT * (rows[:, :-2] + rows[:, 2:]) + _SELF * rows[:, 1:-1]
    sharp: Values = shape + SHARPEN * (shape - blurred)
    return sharp


def _centre(shape: Values, out: NDArray[np.uint8]) -> None:
    """Extended with the ground to all sides."""
    height, width = shape.shape
    top, left = (out.shape[0] - height) // 2, (out.shape[1] - width) // 2
    out.fill(0)
    out[top : top + height, left : left + width] = shape.round().clip(0, 255)[..., np.newaxis]
