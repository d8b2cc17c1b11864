"""One epoch of training images, mirrored and moved, made anew from the originals each time."""

from __future__ import annotations

import numpy as np

from worker.examples import Images
from worker.recipes import Recipe

#: Of a rectangle that is erased: its share of the image, and how far from square (a factor of 3).
ERASED_AREA = (0.02, 0.25)
ERASED_RATIO_LOG = np.log(3.0)


def augmented(images: Images, recipe: Recipe, seed: int, epoch: int) -> Images:
    """A changed copy of images uint8 [n, H, W, C] for epoch 0, 1, ...

    A pure function of its arguments, so that a resumed training sees the same images.
    """
    rng = np.random.default_rng([seed, epoch])
    if recipe.flip:
        images = _mirrored(images, seed, epoch)
    if recipe.shift_pixels:
        images = _moved(images, recipe.shift_pixels, rng)
    if recipe.erase:
        images = _erased(images, recipe.erase, rng)
    return images


def _mirrored(images: Images, seed: int, epoch: int) -> Images:
    """Every image in every second epoch: each view is seen as often as the other.

    Better than a coin per epoch: https://github.com/KellerJordan/cifar10-airbench
    """
    first = np.random.default_rng(seed).random(len(images)) < 0.5
    mirror = first if epoch % 2 == 0 else ~first
    return np.where(mirror[:, None, None, None], images[:, :, ::-1], images)


def _moved(images: Images, pixels: int, rng: np.random.Generator) -> Images:
    """By -pixels to pixels in both directions; what comes in from outside is 0."""
    count, height, width, _ = images.shape
    border = (pixels, pixels)
    padded = np.pad(images, ((0, 0), border, border, (0, 0)))
    down, right = rng.integers(0, 2 * pixels + 1, (2, count))
    moved = np.empty_like(images)
    for y in range(2 * pixels + 1):
        for x in range(2 * pixels + 1):
            chosen = (down == y) & (right == x)
            moved[chosen] = padded[chosen, y : y + height, x : x + width]
    return moved


def _erased(images: Images, share: float, rng: np.random.Generator) -> Images:
    """A rectangle of noise somewhere in about `share` of the images (arXiv:1708.04896)."""
    count, height, width, channels = images.shape
    erased = images.copy()
    chosen = np.flatnonzero(rng.random(count) < share)
    areas = rng.uniform(*ERASED_AREA, len(chosen)) * height * width
    ratios = np.exp(rng.uniform(-ERASED_RATIO_LOG, ERASED_RATIO_LOG, len(chosen)))
    tall = np.clip(np.sqrt(areas * ratios).astype(int), 1, height)
    wide = np.clip(np.sqrt(areas / ratios).astype(int), 1, width)
    tops = rng.integers(0, height - tall + 1)
    lefts = rng.integers(0, width - wide + 1)
    for index, top, left, down, right in zip(chosen, tops, lefts, tall, wide, strict=True):
        noise = rng.integers(0, 256, (down, right, channels), np.uint8)
        erased[index, top : top + down, left : left + right] = noise
    return erased
