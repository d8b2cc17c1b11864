"""Converts a photograph of a garment to the form of Fashion-MNIST's images.

The data set's own conversion (Xiao, Rasul and Vollgraf, arXiv:1708.07747, section 2): edges of the
background colour are trimmed, the longest side is subsampled to 28 pixels from a thumbnail, the
outlines are sharpened, the shorter side is extended with background, and the grey values are
negated. Without it every photograph is classified as "Bag".
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from shared.image_status import Flag
from shared.messages.model_card import Preprocessing
from worker.decoding import letterbox
from worker.decoding.letterbox import DecodedImage, Size, fitted, reduced, upright

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
Values = NDArray[np.float32]

#: The background of transparent pixels, as on a shop's page.
WHITE = 255
#: The data set's background is black. Each of its images has at least two corners as dark as this,
#: and hardly any photograph of a garment on a light background has two.
DARK = 12
DARK_CORNERS = 2
#: Minimum length of a photograph's longer side for the analysis; it is less than twice as long.
ANALYSIS_PIXELS = 150
#: Zalando started from thumbnails of 51 x 73 pixels.
THUMBNAIL_PIXELS = 73
_THUMBNAIL = Preprocessing(THUMBNAIL_PIXELS, THUMBNAIL_PIXELS, 1)
#: Thumbnails are antialiased; the choice of filter does not affect the accuracy.
_SMOOTH = Image.Resampling.HAMMING
_SUBSAMPLED = Image.Resampling.NEAREST
#: A Gaussian of radius and sigma 1: each pixel and its two neighbours.
_SELF, _NEXT = (np.float32(weight / (1 + 2 * math.exp(-0.5))) for weight in (1, math.exp(-0.5)))
#: Factor of the difference to the blurred image, as in ImageMagick's `-sharpen 1x1`. On photographs
#: simulated from training images 0 costs a point of accuracy; 0.4 to 1.6 make no difference.
SHARPEN = np.float32(0.83)
#: In levels of 255. A garment whose greatest possible difference to the background is smaller is
#: not stretched to full contrast.
MIN_DEPTH = 96


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


def in_form(pixels: NDArray[np.uint8]) -> bool:
    """Whether uint8 [height, width, 1] has the data set's form: two corners are dark.

    Called for every image; the first condition is nearly always sufficient.
    """
    if pixels.item(0) <= DARK >= pixels.item(-1):
        return True
    down, across = (max(1, side - 1) for side in pixels.shape[:2])
    corners = pixels[::down, ::across, 0]
    return int(np.count_nonzero(corners <= DARK)) >= DARK_CORNERS


def place(decoded: DecodedImage, spec: Preprocessing, out: NDArray[np.uint8]) -> Flag:
    """Fill `out`, uint8 [height, width, channels]; an image in the data set's form is copied."""
    if decoded.size == (spec.width, spec.height):
        letterbox.place(decoded, spec, out)
        if in_form(out):
            return Flag.NONE
    photo = _analyzed(decoded)
    background = find_background(photo)
    if background.is_uniform and not background.is_evenly_lit:
        photo = evened(photo, background)
    shape = _subsampled(photo, trimmed(photo, background), spec)
    _centre(_sharpened(_negated(shape, background.grey)), out)
    return Flag.NONE if background.is_uniform else Flag.BUSY_BACKGROUND


def min_size(size: Size) -> Size:
    """The minimum size for decoding an image of this width and height."""
    longer = max(size)
    width, height = (min(side, -(-side * ANALYSIS_PIXELS // longer)) for side in size)
    return width, height


def _analyzed(decoded: DecodedImage) -> Image.Image:
    """The image for the analysis: RGB, upright, on white, no larger than needed."""
    by = max(1, max(decoded.image.size) // ANALYSIS_PIXELS)
    return upright(reduced(decoded.image, (by, by), "RGB", WHITE), decoded.orientation)


def _subsampled(photo: Image.Image, box: Box, spec: Preprocessing) -> Values:
    """The grey values 0 to 255 in the box; its longer side gets the length of the frame's."""
    size = (box[2] - box[0], box[3] - box[1])
    grey = photo.crop(box).convert("L")
    if max(size) > THUMBNAIL_PIXELS:
        grey = grey.resize(fitted(size, 1, _THUMBNAIL), _SMOOTH)
    return np.asarray(grey.resize(fitted(size, 1, spec), _SUBSAMPLED), np.float32)


def _negated(shape: Values, background: float) -> Values:
    """The distance to the background, which becomes 0; the largest possible one becomes 255.

    On a light background that negates the image. On a medium one the sign depends on whether the
    garment is darker or lighter on average.
    """
    darker = bool(shape.mean() <= background)
    depth = background - shape if darker else shape - background
    deepest = background if darker else 255 - background
    return depth * np.float32(255 / max(deepest, MIN_DEPTH))


def _sharpened(shape: Values) -> Values:
    """Each value moved away from its neighbours, which mostly affects outlines."""
    wide = np.pad(shape, 1, mode="edge")
    rows: Values = _NEXT * (wide[:-2] + wide[2:]) + _SELF * wide[1:-1]
    blurred: Values = _NEXT * (rows[:, :-2] + rows[:, 2:]) + _SELF * rows[:, 1:-1]
    sharp: Values = shape + SHARPEN * (shape - blurred)
    return sharp


def _centre(shape: Values, out: NDArray[np.uint8]) -> None:
    """Write the shape to the centre of `out`, on a background of 0."""
    height, width = shape.shape
    top, left = (out.shape[0] - height) // 2, (out.shape[1] - width) // 2
    out.fill(0)
    out[top : top + height, left : left + width] = shape.round().clip(0, 255)[..., np.newaxis]
