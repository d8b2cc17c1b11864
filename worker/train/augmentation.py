"""Mirrors, shifts and erases images of a training: other ones in each epoch."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from shared.recipes import Recipe
from worker.datasets.examples import Images

Numbers = npt.NDArray[np.int64]  #: [n], of images in their data set
#: An erased rectangle: its share of the image, and its aspect ratio (up to a factor of 3).
ERASED_AREA = (0.02, 0.25)
ERASED_RATIO_LOG = np.log(3.0)


def augmented(
    images: Images, numbers: Numbers, recipe: Recipe, epoch: int, rng: np.random.Generator
) -> Images:
    """Images uint8 [n, H, W, C] with numbers int64 [n], augmented for epoch 0, 1, ..."""
    if recipe.flip:
        # Both views occur equally often, which is better than a coin flip for each epoch:
        # https://github.com/KellerJordan/cifar10-airbench
        mirror = (numbers + epoch) % 2 == 0
        images = np.where(mirror[:, None, None, None], images[:, :, ::-1], images)
    if recipe.shift_pixels:
        images = _moved(images, recipe.shift_pixels, rng)
    if recipe.erase:
        images = _erased(images, recipe.erase, rng)
    return images


def _moved(images: Images, pixels: int, rng: np.random.Generator) -> Images:
    """Shifts by -pixels to pixels in both directions; fills with 0."""
    count, height, width, _ = images.shape
    border = (pixels, pixels)
    padded = np.pad(images, ((0, 0), border, border, (0, 0)))
    moved = np.empty_like(images)
    for index, (y, x) in enumerate(rng.integers(0, 2 * pixels + 1, (count, 2)).tolist()):
        moved[index] = padded[index, y : y + height, x : x + width]
    return moved


def _erased(images: Images, share: float, rng: np.random.Generator) -> Images:
    """Fills a rectangle with noise in about `share` of the images (arXiv:1708.04896)."""
    count, height, width, channels = images.shape
    chosen = np.flatnonzero(rng.random(count) < share)
    area = rng.uniform(*ERASED_AREA, len(chosen)) * height * width
    ratio = np.exp(rng.uniform(-ERASED_RATIO_LOG, ERASED_RATIO_LOG, len(chosen)))
    tall = np.clip(np.sqrt(area * ratio).astype(np.int64), 1, height)
    wide = np.clip(np.sqrt(area / ratio).astype(np.int64), 1, width)
    top, left = rng.integers(0, height - tall + 1), rng.integers(0, width - wide + 1)
    erased = images.copy()
    for number, y, x, rows, columns in zip(chosen, top, left, tall, wide, strict=True):
        noise = rng.integers(0, 256, (rows, columns, channels), np.uint8)
        erased[number, y : y + rows, x : x + columns] = noise
    return erased
