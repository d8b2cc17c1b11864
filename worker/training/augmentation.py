"""Augments the original training images in each epoch: mirrors, shifts, erases and so on.

The result depends only on the seed, the epoch and the image's number in the data set. So a resumed
training sees the same images, whatever their batches.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np

from shared.recipes import Recipe
from worker.datasets.examples import Images
from worker.training.counter_rng import CounterRng, Numbers

#: An erased rectangle: its share of the image, and its aspect ratio (up to a factor of 3).
ERASED_AREA = (0.02, 0.25)
ERASED_RATIO_LOG = np.log(3.0)


class _Draw(IntEnum):
    """The random draws of an image. Another number gives other images for the same seed."""

    VIEW = 1
    DOWN = 2
    RIGHT = 3
    ERASE = 8
    AREA = 9
    RATIO = 10
    TOP = 11
    LEFT = 12
    NOISE = 13


def augmented(images: Images, numbers: Numbers, recipe: Recipe, seed: int, epoch: int) -> Images:
    """Images uint8 [n, H, W, C] with numbers int64 [n], augmented for epoch 0, 1, ..."""
    rng = CounterRng(numbers, seed, epoch)
    if recipe.flip:
        images = _mirrored(images, CounterRng(numbers, seed), epoch)
    if recipe.shift_pixels:
        images = _moved(images, recipe.shift_pixels, rng)
    if recipe.erase:
        images = _erased(images, recipe.erase, rng)
    return images


def _mirrored(images: Images, rng: CounterRng, epoch: int) -> Images:
    """Mirrors every image in every second epoch, so that both views occur equally often.

    Better than a coin flip per epoch: https://github.com/KellerJordan/cifar10-airbench
    """
    first = rng.uniform(_Draw.VIEW) < 0.5
    mirror = first if epoch % 2 == 0 else ~first
    return np.where(mirror[:, None, None, None], images[:, :, ::-1], images)


def _moved(images: Images, pixels: int, rng: CounterRng) -> Images:
    """Shifts by -pixels to pixels in both directions; fills with 0."""
    _, height, width, _ = images.shape
    border = (pixels, pixels)
    padded = np.pad(images, ((0, 0), border, border, (0, 0)))
    down = rng.below(2 * pixels + 1, _Draw.DOWN).tolist()
    right = rng.below(2 * pixels + 1, _Draw.RIGHT).tolist()
    moved = np.empty_like(images)
    for index, (y, x) in enumerate(zip(down, right, strict=True)):
        moved[index] = padded[index, y : y + height, x : x + width]
    return moved


def _erased(images: Images, share: float, rng: CounterRng) -> Images:
    """Fills a rectangle with noise in about `share` of the images (arXiv:1708.04896)."""
    _, height, width, channels = images.shape
    chosen = rng.uniform(_Draw.ERASE) < share
    rng = rng.of(chosen)
    low, high = ERASED_AREA
    area = (low + (high - low) * rng.uniform(_Draw.AREA)) * height * width
    ratio = np.exp(ERASED_RATIO_LOG * (2 * rng.uniform(_Draw.RATIO) - 1))
    tall = np.clip(np.sqrt(area * ratio).astype(np.int64), 1, height)
    wide = np.clip(np.sqrt(area / ratio).astype(np.int64), 1, width)
    top, left = (
        rng.below(height - tall + 1, _Draw.TOP),
        rng.below(width - wide + 1, _Draw.LEFT),
    )
    rows, columns = _inside(height, top, tall), _inside(width, left, wide)
    hole = (rows[:, :, None] & columns[:, None, :])[..., None]
    noise = rng.bytes(height * width * channels, _Draw.NOISE)
    erased = images.copy()
    erased[chosen] = np.where(hole, noise.reshape(-1, height, width, channels), images[chosen])
    return erased


def _inside(
    side: int, first: Numbers, length: Numbers
) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
    """Which of `side` places lie in the interval, bool [n, side]."""
    places = np.arange(side)
    return (places >= first[:, None]) & (places < (first + length)[:, None])
